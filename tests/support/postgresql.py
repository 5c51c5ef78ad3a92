"""A PostgreSQL cluster of the tests' own: a folder, a socket, durable settings; made at first use, ended at exit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tools.postgresql_cluster import program

_PATIENCE_SECONDS = 60.0
_USER = "postgres"
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_wal_size": "512MB",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}


class Cluster:
    """One server. PostgreSQL refuses to run as root, which becomes its own user for it."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._settings = {**_SETTINGS, **(settings or {})}
        self._as_user: dict[str, Any] = {"user": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
        self._numbers = count(1)
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls, settings: dict[str, str] | None = None) -> Cluster:
        """Make and start one in a short path, since a socket's name has at most 107 bytes."""
        folder = Path(tempfile.mkdtemp(prefix="mohr-pg-"))
        cluster = cls(folder, settings)
        cluster.owns(folder)
        arguments = [
            "--username",
            _USER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
        ]
        cluster._run("initdb", *arguments, "--pgdata", str(folder / "data"))
        cluster.start()
        return cluster

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program("postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as_user,
            )
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends every connection in good order, SIGQUIT is a crash of the whole server."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(number)
            self.process.wait(_PATIENCE_SECONDS)
            self.process = None

    def remove(self) -> None:
        """End it at once, since nothing of it is kept, and leave nothing behind."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self) -> list[int]:
        """The server and every process of it."""
        assert self.process is not None
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [self.process.pid, *(int(line) for line in listed.stdout.split())]

    def owns(self, folder: Path) -> None:
        """Hand a folder to the server's user."""
        if self._as_user:
            shutil.chown(folder, _USER)

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}@/{database}?host={self.folder}"

    def execute(self, statement: str | sql.Composed, database: str = "postgres") -> list[Any]:
        """Run one statement outside a transaction; returns its rows."""
        with psycopg.connect(
            host=str(self.folder), user=_USER, dbname=database, autocommit=True, connect_timeout=5
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str = "template0") -> str:
        """A fresh database, empty or a copy of another; returns its URL."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        return self.url(name)

    def copy_of(self, url: str) -> str:
        """A copy of a database that nobody is connected to; returns its URL."""
        return self.new_database(url.partition("@/")[2].partition("?")[0])

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [program(name), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            timeout=_PATIENCE_SECONDS,
            **self._as_user,
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"
