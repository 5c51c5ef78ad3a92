"""``mohr pki audit`` over an installation: its database, the pinned log, and a folder for an auditor without either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from app.bootstrap import build_clock, database_url, log_signer, read_secret
from app.cli import main
from app.container import Container
from app.settings import load_settings
from app.witness_setup import open_witness
from kernel.database import make_engine
from transparency.sequencer import Sequencer


def _run(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(main, ["pki", "audit", "--json", *arguments])
    assert result.exit_code in (0, 1), result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, answer


def _execute(folder: Path, statement: str) -> None:
    engine = make_engine(database_url(load_settings(folder)))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def audited(container: Container, folder: Path) -> Path:
    """An installation whose log a witness has cosigned."""
    container.trust.refresh()
    settings = container.settings
    witness = open_witness(settings.folder / "witness", build_clock(settings))
    signer = log_signer(settings, read_secret(settings, settings.passphrase_file, "passphrase_file"))
    Sequencer(container.sessions, signer, container.clock, witness).run_once()
    return folder


def test_a_new_installation_is_in_order(audited: Path, tmp_path: Path) -> None:
    """Database and pinned log agree, and the exported folder says the same without a database."""
    anchors, out = str(audited / "anchors.json"), tmp_path / "out"

    code, answer = _run("--folder", str(audited), "--trust", anchors, "--export", str(out))
    again = _run("--from", str(out), "--trust", anchors)

    assert (code, answer["findings"], answer["notes"]) == (0, [], [])
    assert answer["checked"]["acts"] == answer["checked"]["events"] > 5
    assert again == (code, answer)


def test_a_log_written_anew_is_not_the_pinned_one(audited: Path) -> None:
    """Event, act and log entry that are gone together still contradict the cosigned tree; so does another's anchor."""
    anchors = str(audited / "anchors.json")
    _execute(
        audited, "DELETE FROM outbox WHERE id = (SELECT event FROM pki_acts ORDER BY number DESC LIMIT 1)"
    )
    _execute(audited, "DELETE FROM log_entries WHERE log_index = (SELECT max(log_index) FROM log_entries)")
    _execute(audited, "DELETE FROM pki_acts WHERE number = (SELECT max(number) FROM pki_acts)")

    code, answer = _run("--folder", str(audited), "--trust", anchors)

    assert code == 1
    assert "log-not-trusted" in {finding["code"] for finding in answer["findings"]}


def test_a_line_taken_out_of_the_folder_is_named(audited: Path, tmp_path: Path) -> None:
    """Whoever hands over the folder cannot leave an act out."""
    out = tmp_path / "out"
    _run("--folder", str(audited), "--export", str(out))
    lines = (out / "acts.jsonl").read_bytes().splitlines(keepends=True)
    (out / "acts.jsonl").write_bytes(b"".join(lines[:2] + lines[3:]))

    code, answer = _run("--from", str(out))

    assert code == 1
    assert {"code": "act-missing", "where": "act 3", "detail": "no row has this number"} in answer["findings"]


def test_what_is_no_record_is_wrong_use(tmp_path: Path) -> None:
    """An empty folder is no finding: exit code 2 and one line."""
    result = CliRunner().invoke(main, ["pki", "audit", "--from", str(tmp_path)])

    assert result.exit_code == 2
    assert "not-found" in result.output
