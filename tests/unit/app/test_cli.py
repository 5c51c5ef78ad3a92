"""The command line: help, answers for programs, exit codes, and how soon help is there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app.cli import LAZY_COMMANDS, main
from tests.support.databases import Databases

HEAVY = ("fastapi", "sqlalchemy", "cryptography", "pydantic", "httpx", "uvicorn", "alembic", "pyhanko")


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


@pytest.mark.parametrize("path", [(), *commands(main)], ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    """Each command and group has help with a sentence of its own."""
    result = CliRunner().invoke(main, [*path, "--help"])

    assert result.exit_code == 0
    sentence = result.stdout.split("\n\n")[1].strip()
    assert len(sentence) > 20
    assert sentence.endswith(".")


def test_help_imports_nothing_heavy() -> None:
    """The list of commands is there before any library of weight is read."""
    program = (
        "import sys\nfrom app.cli import main\n"
        "try:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.splitlines()[-1] == "[]"
    for name in ("init", "serve", "config", "migrate", "openapi", "witness", "custodian"):
        assert f"\n  {name} " in result.stdout


def test_commands_of_other_modules_are_listed_only_if_they_are_there() -> None:
    """Whatever is listed can be called."""
    context = click.Context(main)
    for name in LAZY_COMMANDS:
        assert (name in main.list_commands(context)) is (main.get_command(context, name) is not None)


def test_settings_are_printed_for_programs(folder: Path) -> None:
    """``mohr config --json`` is one JSON object with the settings in force."""
    result = CliRunner().invoke(main, ["config", "--folder", str(folder), "--json"])

    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["demo"], answer["api"]["port"]) == (0, True, 8400)
    secret = (folder / "secrets" / "passphrase").read_text().strip()
    assert secret not in result.stdout


def test_a_refusal_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """Wrong use is told by its code, without a traceback."""
    result = CliRunner().invoke(main, ["config", "--folder", str(tmp_path)])

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: not-found: no mohr.toml here")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["custodian", "serve", "--folder", "."], "Error: not-found: a file of the custodian cannot be read"),
        (["witness", "serve", "--folder", "."], "Error: not-found: no witness was made in this folder"),
        (["witness", "serve", "--folder", ".", "--port", "65536"], "Error: Invalid value for '--port'"),
        (
            ["migrate", "--folder", "."],
            "Error: database-unavailable: the database did not answer or ended the connection (connection failed: ",
        ),
    ],
)
def test_a_wrong_folder_port_or_database_is_told_in_a_line(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not there is a refusal with its reason, never a traceback; the driver says why there is no database."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mohr.toml").write_text('[database]\nurl = "postgresql://mohr@127.0.0.1:1/mohr"\n', "utf-8")

    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(told)


def test_a_database_that_is_behind_is_a_finding(
    folder: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``mohr migrate --check`` answers with exit code 1, ``mohr migrate`` brings it up to date."""
    monkeypatch.setenv("MOHR_DATABASE__URL", databases.new())
    runner, where = CliRunner(), ["--folder", str(folder), "--json"]

    assert runner.invoke(main, ["migrate", "--check", *where]).exit_code == 1
    assert runner.invoke(main, ["migrate", *where]).exit_code == 0
    assert runner.invoke(main, ["migrate", "--check", *where]).exit_code == 0


def test_a_custodian_takes_no_moved_clock_outside_of_demonstrations(tmp_path: Path) -> None:
    """Only below a root that says DEMO does a custodian read its time from a file."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase that is long enough\n")
    clock = tmp_path / "clock"
    clock.write_text("0\n")
    made = CliRunner().invoke(
        main, ["init", "--folder", str(tmp_path / "real"), "--passphrase-file", str(passphrase)]
    )
    assert made.exit_code == 0, made.output

    for process in ("custodian", "witness"):
        where = ["--folder", str(tmp_path / "real" / process), "--clock-file", str(clock)]
        result = CliRunner().invoke(main, [process, "serve", *where])
        assert result.exit_code == 2
        assert "only a demo installation" in result.stderr


def test_an_installation_is_never_made_over_another(folder: Path) -> None:
    """A folder that holds anything is left alone."""
    before = sorted(path.name for path in folder.iterdir())

    result = CliRunner().invoke(main, ["init", "--demo", "--folder", str(folder)])

    assert (result.exit_code, "conflict" in result.stderr) == (2, True)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_without_a_passphrase_nothing_is_made(tmp_path: Path) -> None:
    """A real installation has no default secret."""
    result = CliRunner().invoke(main, ["init", "--folder", str(tmp_path / "real")], env={})

    assert result.exit_code == 2
    assert "passphrase" in result.stderr
    assert not (tmp_path / "real").exists()


def test_secrets_are_for_their_owner_only(folder: Path) -> None:
    """Every file that holds a secret has mode 0600 after init."""
    secret = [
        *folder.glob("secrets/*"),
        *folder.glob("**/*.key"),
        *folder.glob("**/*.key.pem"),
        *folder.glob("*/passphrase"),
        *folder.glob("*/token"),
    ]

    assert len(secret) > 10
    assert [str(path) for path in secret if path.stat().st_mode & 0o077] == []
