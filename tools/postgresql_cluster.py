"""One PostgreSQL cluster of its own on loopback: as the caller, or as the user postgres when the caller is root."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tools.kafka_broker import end, free_ports, pid_of
from tools.maven_libs import ServiceFailed

_START_SECONDS = 60.0
_LONGEST_SOCKET_FOLDER = 90
_USER = "postgres"


def program(name: str) -> str:
    """A program of the server, newest version first; raises ServiceFailed."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    versions = sorted(folders, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)])
    for folder in reversed(versions):
        if (folder / name).is_file():
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        raise ServiceFailed(f"{name} is not there; on Debian: apt-get install postgresql")
    return found


class Cluster:
    """Data, log, socket and password below ``folder``. It outlives this process unless it is stopped.

    Over loopback it asks for the password; over the socket it believes whoever may enter the folder (mode 0700).
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.absolute()
        self._data = self.folder / "data"
        self._pid_file = self._data / "postmaster.pid"
        self._port_file = self.folder / "port"
        self.password_file = self.folder / "password"
        known = self._port_file.read_text("ascii").strip() if self._port_file.exists() else ""
        self.port = int(known or port or free_ports(1)[0])

    @property
    def url(self) -> str:
        """The address over loopback; the password is in ``password_file``."""
        return f"postgresql://mohr@127.0.0.1:{self.port}/mohr"

    @property
    def socket_url(self) -> str | None:
        """The address over the socket, which needs no password; None where its path would be too long."""
        if len(str(self.folder)) > _LONGEST_SOCKET_FOLDER:
            return None
        return f"postgresql://mohr@/mohr?host={self.folder}&port={self.port}"

    @property
    def pid(self) -> int | None:
        """The process as it is now."""
        return pid_of(self._pid_file, str(self._data))

    def start(self) -> None:
        """Make the cluster the first time, start it, and wait until it answers. Raises ServiceFailed."""
        if self.pid is not None:
            return
        server = program("postgres")
        if not self._port_file.exists():
            self._make()
        with (self.folder / "postgresql.log").open("ab") as log:
            process = subprocess.Popen(
                [server, "-D", str(self._data), "-p", str(self.port), *self._listening()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_owner(),
            )
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > until:
                process.terminate()
                raise ServiceFailed(f"PostgreSQL did not start; see {self.folder}/postgresql.log")
            time.sleep(0.05)
        self._make_database()

    def stop(self) -> None:
        """Fast shutdown; nothing happens when it does not run."""
        pid = self.pid
        if pid is not None:
            end(pid, signal.SIGINT, self._pid_file, str(self._data))

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(secrets.token_urlsafe(24) + "\n", "ascii")
        owner = self._owner()
        if owner is not None:
            for path in (self.folder, self.password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            self._require_reachable()
        shutil.rmtree(self._data, ignore_errors=True)
        options = ["--username=mohr", f"--pwfile={self.password_file}", "--auth-host=scram-sha-256"]
        options += ["--auth-local=trust", "--encoding=UTF8", "--locale=C", f"--pgdata={self._data}"]
        self._run([program("initdb"), *options])
        self._port_file.write_text(f"{self.port}\n", "ascii")

    def _make_database(self) -> None:
        query = "SELECT 1 FROM pg_database WHERE datname = 'mohr'"
        if "1" not in self._run([program("psql"), "-tAqc", query, *self._target()]):
            self._run([program("createdb"), *self._target(database=False), "mohr"])

    def _target(self, *, database: bool = True) -> list[str]:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "mohr", "--no-password"]
        return [*where, "-d", "postgres"] if database else where

    def _answers(self) -> bool:
        return (
            subprocess.run(
                [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                check=False,
                timeout=10,
            ).returncode
            == 0
        )

    def _listening(self) -> list[str]:
        socket_folder = str(self.folder) if self.socket_url is not None else ""
        return ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={socket_folder}"]

    def _run(self, command: list[str]) -> str:
        environment = {**os.environ, "PGPASSWORD": self.password_file.read_text("ascii").strip()}
        made = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_SECONDS,
            env=environment,
            **self._as_owner(),
        )
        if made.returncode != 0:
            raise ServiceFailed(f"{Path(command[0]).name} failed: {made.stderr.strip()}")
        return made.stdout

    def _owner(self) -> pwd.struct_passwd | None:
        """PostgreSQL refuses to run as root."""
        if os.getuid() != 0:
            return None
        try:
            return pwd.getpwnam(_USER)
        except KeyError as error:
            raise ServiceFailed(f"PostgreSQL refuses root, and there is no user {_USER}") from error

    def _as_owner(self) -> dict[str, Any]:
        owner = self._owner()
        if owner is None:
            return {"cwd": self.folder}
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": "/"}

    def _require_reachable(self) -> None:
        probe = subprocess.run(["test", "-w", str(self.folder)], check=False, timeout=10, **self._as_owner())
        if probe.returncode != 0:
            raise ServiceFailed(f"the user {_USER} cannot enter {self.folder}; name another with --folder")
