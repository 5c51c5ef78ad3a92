"""One Kafka broker (KRaft, broker and controller in one process) on loopback, from the Maven artifacts of Apache Kafka.

The jars are named by tools/kafka/pom.xml and pinned, each by its SHA-256, in tools/kafka/libs.sha256. For development
and tests: one replica, no encryption, no access control.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from tools.maven_libs import MavenLibs, ServiceFailed, java

LIBS = MavenLibs("kafka", "Kafka")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_JVM = ("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG_LEVEL = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
"""


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def pid_of(file: Path, marker: str) -> int | None:
    """The process that a pid file names, if it still is the one that has ``marker`` in its command line."""
    try:
        pid = int(file.read_text("ascii").split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return None
    return pid if marker.encode() in command else None


def end(pid: int, number: int, file: Path, marker: str, seconds: float = _STOP_SECONDS) -> None:
    """Ask one process to end, and end it for good when it does not."""
    os.kill(pid, number)
    until = time.monotonic() + seconds
    while pid_of(file, marker) == pid:
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            until += seconds
        time.sleep(0.05)


class Broker:
    """A broker with its data in ``folder``. It outlives this process unless it is stopped."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.absolute()
        self._pid_file = self.folder / "pid"
        self._properties = self.folder / "server.properties"
        self._marker = str(self._properties)
        self._child: int | None = None
        self.port = self._remembered_port() or port or free_ports(1)[0]

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process as it is now."""
        return pid_of(self._pid_file, self._marker)

    def start(self) -> None:
        """Format the folder the first time, start, and wait until it listens. Raises ServiceFailed."""
        if self.pid is not None:
            return
        program, libs = java(), LIBS.fetch()
        command = [program, *_JVM, _LOG_LEVEL, "-cp", f"{libs}/*"]
        if not self._properties.exists():
            self._format(command)
        pid = self._spawn([*command, "kafka.Kafka", str(self._properties)])
        self._pid_file.write_text(f"{pid}\n", "ascii")
        self._await_listening(pid)

    def stop(self) -> None:
        """End it in order; nothing happens when it does not run."""
        pid = self.pid
        if pid is not None:
            # One that is frozen could not hear the first signal.
            os.kill(pid, signal.SIGCONT)
            end(pid, signal.SIGTERM, self._pid_file, self._marker)
        self._reap()

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        pid = self.pid
        if pid is not None:
            end(pid, signal.SIGKILL, self._pid_file, self._marker)
        self._reap()

    def _spawn(self, command: list[str]) -> int:
        """In a session of its own, and of no concern to whoever ends before it."""
        log, flags = str(self.folder / "broker.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        self._child = os.posix_spawn(command[0], command, os.environ, file_actions=files, setsid=True)
        return self._child

    def _reap(self) -> None:
        if self._child is not None:
            os.waitpid(self._child, 0)
            self._child = None
        self._pid_file.unlink(missing_ok=True)

    def _format(self, command: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (controller_port,) = free_ports(1)
        text = _PROPERTIES.format(port=self.port, controller_port=controller_port, data=self.folder / "data")
        partial = self.folder / "server.properties.part"
        partial.write_text(text, "utf-8")
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        options = ["format", "--standalone", "-t", cluster, "-c", str(partial)]
        made = subprocess.run(
            [*command, "kafka.tools.StorageTool", *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_SECONDS,
        )
        if made.returncode != 0:
            raise ServiceFailed(f"the broker's folder could not be formatted:\n{made.stdout}{made.stderr}")
        partial.rename(self._properties)

    def _await_listening(self, pid: int) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                self._child = None
                self._pid_file.unlink(missing_ok=True)
                raise ServiceFailed(f"the broker ended at its start; see {self.folder}/broker.log")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise ServiceFailed(f"the broker did not listen in time; see {self.folder}/broker.log")

    def _remembered_port(self) -> int | None:
        try:
            found = re.search(r"^advertised\.listeners=.*:(\d+)$", self._properties.read_text("utf-8"), re.M)
        except OSError:
            return None
        return int(found[1]) if found is not None else None
