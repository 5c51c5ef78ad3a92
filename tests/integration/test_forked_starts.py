"""Processes of tests that are forked instead of started anew: as those that are started by the command line."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from app.demo.stage import MOHR
from tests.integration.conftest import mohr
from tests.support.forked_starts import Forked, forks


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("serve", "--port", "1"), ("config", "--folder", "/nowhere"), ("openapi", "--help")],
)
def test_a_command_says_and_ends_the_same(arguments: tuple[str, ...]) -> None:
    """Output, errors and exit code are those of the command line."""
    forked, plain = mohr(*arguments), mohr(*arguments, launch=subprocess.Popen)
    assert (forked.returncode, forked.stdout, forked.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_a_process_is_one_of_its_own(tmp_path: Path) -> None:
    """Our child, in the session, folder and under the name that it was given, and ended by SIGKILL."""
    passphrase = tmp_path / "passphrase"
    os.mkfifo(passphrase)
    arguments = ["custodian", "serve", "--folder", str(tmp_path), "--passphrase-file", str(passphrase)]
    with (
        Forked([*MOHR, *arguments], stdin=subprocess.DEVNULL, start_new_session=True) as process,
        # Opens when somebody reads there, who waits for as long as nothing is written.
        passphrase.open("wb"),
    ):
        seen = Path(f"/proc/{process.pid}")
        parent, _, session = (seen / "stat").read_text().rpartition(")")[2].split()[1:4]
        assert (int(parent), int(session)) == (os.getpid(), process.pid)
        assert (seen / "cwd").resolve() == Path.cwd()
        assert (seen / "fd" / "0").readlink() == Path("/dev/null")
        assert arguments == (seen / "cmdline").read_text().rstrip("\0").split("\0")[len(MOHR) :]
        assert process.poll() is None
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL


def test_the_environment_is_the_one_that_is_given(tmp_path: Path) -> None:
    """What is set for one process is there, and not in the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOHR_FOLDER", str(tmp_path / "elsewhere"))
        assert str(tmp_path / "elsewhere") in mohr("config").stderr
    assert str(tmp_path / "elsewhere") not in mohr("config").stderr


def test_siblings_draw_other_secrets(tmp_path: Path) -> None:
    """Two installations that are made by forks of one process share no key and no secret."""
    made = []
    for name in ("one", "other"):
        folder = tmp_path / name
        done = mohr("init", "--demo", "--folder", str(folder))
        assert done.returncode == 0, done.stderr
        secret = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077 == 0]
        made.append(
            {path.relative_to(folder): path.read_bytes() for path in secret if path.stat().st_size > 8}
        )
    one, other = made
    assert len(one) > 3
    assert [path for path, kept in one.items() if path.suffix != ".toml" and other.get(path) == kept] == []


def test_another_interpreter_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the interpreter only work from its start on, so then there is a real one."""
    assert forks().suits(os.environ)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert not forks().suits(os.environ)
    assert mohr("--version").returncode == 0
