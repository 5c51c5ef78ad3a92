"""A referee in Java: compiled once from tools/, one process for many requests, each answered in a bounded time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tools.maven_libs import ROOT, ServiceFailed, java, required

_COMPILE_SECONDS = 120.0
_END_SECONDS = 10.0
_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")

# A token (DER) over the digest; the algorithm as Java names it, ``SHA-256``.
Stamp = Callable[[str, bytes], bytes]
Values = Mapping[str, object]


class RefereeFailed(Exception):
    """The referee could not answer: a request it refused, or a process that ended or took too long."""


def compiled(name: str, sources: Sequence[Path], classpath: str) -> Path:
    """The folder of classes in build/; compiled anew when a source or the class path changed.

    What was compiled before stays, because a process may be running on it. Raises ServiceFailed.
    """
    compiler = required("javac", "default-jdk-headless")
    base = ROOT / "build" / name
    base.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(classpath.encode())
    for source in sources:
        digest.update(source.read_bytes())
    folder = base / f"classes-{digest.hexdigest()[:16]}"
    with (base / "compile.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _compile(compiler, folder, sources, classpath)
    return folder


def _compile(compiler: str, folder: Path, sources: Sequence[Path], classpath: str) -> None:
    partial = folder.with_name(f"classes-{folder.name[-16:]}.part")
    command = [compiler, "-proc:none", "-encoding", "UTF-8", "-cp", classpath, "-d", str(partial)]
    made = subprocess.run(
        [*command, *map(str, sources)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_COMPILE_SECONDS,
    )
    if made.returncode != 0:
        raise ServiceFailed(f"javac refused {sources[0].name}:\n{made.stderr.rstrip()}")
    partial.rename(folder)


class JavaReferee:
    """One Java process; a context manager that ends it. Not for several threads at once."""

    def __init__(self, classes: Path, classpath: str, main: str, log: Path) -> None:
        self._command = [java(), *_JVM, "-cp", f"{classes}{os.pathsep}{classpath}", main]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> JavaReferee:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, values: Values, *, seconds: float = 60.0, stamp: Stamp | None = None) -> dict[str, Any]:
        """The answer to one request: values by name, those of a list repeated, those that are None left out.

        Raises RefereeFailed; a process that took too long is ended, and the next request starts another.
        """
        until = time.monotonic() + seconds
        try:
            self._send(_line(values))
            answer = self._answer(until)
            while "stamp" in answer:
                if stamp is None:
                    raise RefereeFailed("asked for a time stamp that nobody offered")
                self._send(stamp(str(answer["stamp"]), bytes.fromhex(answer["digest"])).hex())
                answer = self._answer(until)
        except BaseException:
            self.end()
            raise
        if "error" in answer:
            raise RefereeFailed(answer["error"])
        return answer

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process, self._rest = self._process, None, b""
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait(_END_SECONDS)
        process.stdin.close()
        process.stdout.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
                )
        return self._process

    def _send(self, line: str) -> None:
        stdin = _pipe(self._started().stdin)
        try:
            stdin.write(line.encode() + b"\n")
        except BrokenPipeError as error:
            raise RefereeFailed(f"the process ended; see {self._log}") from error

    def _answer(self, until: float) -> dict[str, Any]:
        stdout = _pipe(self._started().stdout)
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([stdout], [], [], left)[0]:
                raise RefereeFailed("no answer in time")
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                raise RefereeFailed(f"the process ended; see {self._log}")
            self._rest += part
        line, self._rest = self._rest.split(b"\n", 1)
        found: dict[str, Any] = json.loads(line)
        return found


def _pipe(found: IO[bytes] | None) -> IO[bytes]:
    assert found is not None
    return found


def _line(values: Values) -> str:
    parts: list[str] = []
    for name, value in values.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        parts += [f"{name}={each}" for each in several if each is not None]
    if any("\t" in part or "\n" in part for part in parts):
        raise RefereeFailed("a value with a tab or the end of a line cannot be sent")
    return "\t".join(parts)
