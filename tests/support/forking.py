"""The process that forks: ``python -m tests.support.forking DESCRIPTOR ROOM``. It has loaded what ``mohr`` needs.

It has no thread, no database, no socket but the one to whoever asks, and ends with that. Each child calls the entry
point of the command as ``python -m app.cli`` does. A server keeps a process of this kind for its own children.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from app.loading import loading
from tests.support import forked_starts

# What the commands import when they are called, and what their libraries import when they are first used.
LOADED = (
    *("app.cli", "app.installation", "app.kafka_cli", "app.migrations.runner", "app.settings"),
    *("app.serving", "app.serving_apart", "app.custodian_server", "app.witness_server", "app.witness_setup"),
    *("custodian.setup", "events.kafka", "kernel.postgresql_connection", "signing.pdf.signing"),
    *("signing.pdf.appearance", "signing.pdf.fields", "signing.pdf.long_term", "signing.pdf.reading"),
    *("_strptime", "anyio._backends._asyncio", "certifi", "h11", "httpcore", "psycopg"),
    *("encodings.ascii", "encodings.punycode", "encodings.utf_16_le", "importlib.readers"),
    *("pkilint.document", "pkilint.etsi", "pkilint.finding_filter", "pkilint.loader", "pkilint.oid"),
    *(
        "pkilint.common.alternative_name",
        "pkilint.pkix.certificate",
        "pkilint.pkix.extension",
        "publicsuffixlist",
    ),
    *("pyasn1.codec.der.decoder", "pyasn1_alt_modules.rfc5280"),
    *("sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite"),
    *("uvicorn.lifespan.off", "uvicorn.loops.asyncio", "uvicorn.loops.auto"),
    *("uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto"),
)
_ABOVE_OTHERS = 512


def main() -> None:
    with loading():
        for name in LOADED:
            importlib.import_module(name)
    from app.cli import main as command

    arguments = next_start(socket.socket(fileno=int(sys.argv[1])))
    sys.argv[:] = ["app.cli", *arguments]
    command(arguments, prog_name="python -m app.cli")


def next_start(control: socket.socket) -> list[str]:
    """Fork for every request; comes back in the children only, with the arguments of their command."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(
            control, forked_starts.MAX_MESSAGE_BYTES, forked_starts.MAX_DESCRIPTORS
        )
        if not message:
            os._exit(0)
        assert len(os.listdir("/proc/self/task")) == 1, "who has threads cannot fork"
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child != 0:
                os.write(writing, str(child).encode())
                os._exit(0)
            for each in (reading, writing, control.detach()):
                os.close(each)
            return _become(json.loads(message), descriptors)
        for each in (*descriptors, writing):
            os.close(each)
        os.waitpid(between, 0)
        # By now the child has its lasting parent.
        control.send(os.read(reading, 64))
        os.close(reading)


def _become(request: dict[str, Any], descriptors: list[int]) -> list[str]:
    """What a process is when it has just been started by that request."""
    arguments: list[str] = request["arguments"]
    if request["session"]:
        os.setsid()
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, handler)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    random.seed()
    if arguments[:1] == ["serve"] and (inner := _keep_one_for_children()) is not None:
        return inner
    _place(descriptors, request["descriptors"])
    _be_known_by([*forked_starts.COMMAND, *arguments])
    return arguments


def _keep_one_for_children() -> list[str] | None:
    """Fork a process that forks for this one; None in this one, in its children their arguments."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        os.setsid()
        return next_start(theirs)
    theirs.close()
    forked_starts.use(forked_starts.Forks(ours))
    subprocess.Popen = forked_starts.Forked  # type: ignore[misc]
    return None


def _place(received: list[int], numbers: list[int]) -> None:
    """Give what was received the numbers that are asked for, and keep no other of it."""
    aside = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _ABOVE_OTHERS) for each in received]
    for each in received:
        os.close(each)
    for each, number in zip(aside, numbers, strict=True):
        os.dup2(each, number, inheritable=True)
        os.close(each)


def _be_known_by(command: list[str]) -> None:
    """Write over the arguments of this process, where /proc and ps look."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    told = b"".join(os.fsencode(each) + b"\0" for each in command)[: end - start - 1]
    ctypes.memmove(start, told.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    main()
