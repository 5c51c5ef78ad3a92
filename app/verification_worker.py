"""A process that reads and judges documents of strangers, one after the other: ``python -m app.verification_worker``.

It has no database, no key and no secret of the environment, it yields to everything else on the machine, and a document
that takes too long or too much memory ends it. Its one argument is the descriptor of a socket to whoever started it;
when that closes, it is over.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from multiprocessing.connection import Connection

from app.lacking_evidence import signers_of
from app.verification_messages import Task, Times, asked, refused
from kernel.errors import LimitExceeded
from signing.errors import DocumentTooComplex, DocumentUnreadable
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.report_json import report_bytes
from signing.validation.trust import Trust

MAX_MEMORY_BYTES = 2 << 30
_NICE = 10


def work_for(connection: Connection) -> None:
    """Until nobody asks any more."""
    trust: Trust | None = None
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        # What the signal does by itself, nothing that is read here can hold up: the process is gone.
        signal.setitimer(signal.ITIMER_REAL, task.seconds)
        trust = trust if task.trust is None else task.trust.trust()
        assert trust is not None
        try:
            _work(task, trust, connection)
        except MemoryError:
            connection.send_bytes(refused(DocumentTooComplex("it takes too much memory", limit="memory")))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _work(task: Task, trust: Trust, connection: Connection) -> None:
    try:
        document = read_document(task.document, content=task.content, name=task.name)
    except DocumentUnreadable as error:
        connection.send_bytes(refused(error))
        return
    connection.send_bytes(asked(signers_of(document, trust)))
    times: Times = connection.recv()
    completed = trust.with_more(times.evidence)
    report = judge(document, completed, AlgorithmPolicy.default(), at=times.at, made_at=times.made_at)
    try:
        connection.send_bytes(report_bytes(report))
    except LimitExceeded as error:
        connection.send_bytes(refused(DocumentTooComplex(error.detail, limit="report", **error.fields)))


def _restrain() -> None:
    """Bounded memory, no core dump of what strangers sent, and least urgent."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # Ctrl-C on a terminal is for whoever started this, who then closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)


if __name__ == "__main__":
    _restrain()
    with Connection(int(sys.argv[1])) as opened:
        work_for(opened)
