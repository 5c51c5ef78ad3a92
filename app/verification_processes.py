"""Verifying what strangers send in processes of their own, which are ended when a document takes too long.

A thread cannot be ended. A process is started when there is none idle and stays for the next document; one that ended
itself is replaced. What only this process has, answers about certificates of this installation, is asked back.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from multiprocessing.connection import Connection

from app.lacking_evidence import Signer
from app.verification_messages import (
    MAX_MESSAGE_BYTES,
    Task,
    Times,
    TrustAsOctets,
    is_refusal,
    refusal_in,
    signers_in,
)
from kernel.errors import Unavailable
from signing.ades.services import Evidence
from signing.validation.report import ValidationReport
from signing.validation.report_json import report_of
from signing.validation.trust import Trust

# So that nothing which one document leaves behind grows for ever.
MAX_DOCUMENTS = 500
_END_SECONDS = 5.0
# Everything else may be a password.
_ENVIRONMENT = frozenset({"PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV"})


class VerificationProcesses:
    """As many processes as there are verifications at a time; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Process] = []

    def verify(
        self,
        document: bytes,
        trust: Trust,
        *,
        content: bytes | None,
        name: str | None,
        seconds: float,
        evidence: Callable[[Sequence[Signer], datetime], Evidence],
        at: datetime | None,
        now: Callable[[], datetime],
    ) -> ValidationReport:
        """The report for ``at``, or for now.

        Raises DocumentUnreadable, DocumentEncrypted, DocumentTooComplex, and Unavailable after ``seconds``.
        """
        process = self._taken()
        try:
            signers = signers_in(process.begin(document, content, name, trust, seconds))
            more = evidence(signers, at or now())
            # What was made a moment ago must not seem to be of the future.
            made_at = now()
            return process.conclude(Times(more, at or made_at, made_at))
        except (EOFError, OSError) as error:
            raise process.over(seconds) from error
        finally:
            self._give_back(process)

    def close(self) -> None:
        """End those that are idle; the others end with their connection."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.end()

    def _taken(self) -> _Process:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        return process if process is not None and process.lives() else _Process()

    def _give_back(self, process: _Process) -> None:
        if process.waits and process.lives():
            with self._lock:
                self._idle.append(process)
        else:
            process.end()


class _Process:
    """``waits``: it has answered all of its last document, and takes the next one."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "app.verification_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if _is_harmless(name)},
            )
        self._connection = Connection(ours.detach())
        self._trust: str | None = None
        self._documents = 0
        self.waits = True

    def lives(self) -> bool:
        return self._documents < MAX_DOCUMENTS and self._popen.poll() is None

    def begin(
        self, document: bytes, content: bytes | None, name: str | None, trust: Trust, seconds: float
    ) -> bytes:
        """What is asked about the document, or that it is refused."""
        self.waits, self._documents = False, self._documents + 1
        given = None if self._trust == trust.sha256 else TrustAsOctets.of(trust)
        self._connection.send(Task(document, content, name, given, seconds))
        self._trust = trust.sha256
        answer = self._connection.recv_bytes(MAX_MESSAGE_BYTES)
        self.waits = is_refusal(answer)
        return answer

    def conclude(self, times: Times) -> ValidationReport:
        """The report; raises what reading it refused."""
        self._connection.send(times)
        answer = self._connection.recv_bytes(MAX_MESSAGE_BYTES)
        self.waits = True
        if is_refusal(answer):
            raise refusal_in(answer)
        return report_of(answer)

    def over(self, seconds: float) -> Unavailable:
        """Why it ended."""
        self.end()
        if self._popen.returncode == -signal.SIGALRM:
            return Unavailable("this takes too long and was given up", limit_seconds=str(seconds))
        return Unavailable("the verification broke off", exit_code=self._popen.returncode)

    def end(self) -> None:
        self.waits = False
        self._connection.close()
        try:
            self._popen.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def _is_harmless(name: str) -> bool:
    return name in _ENVIRONMENT or name.startswith("PYTHON")


PROCESSES = VerificationProcesses()
"""Those of this process, whichever application it serves."""
atexit.register(PROCESSES.close)
