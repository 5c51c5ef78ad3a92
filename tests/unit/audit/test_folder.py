"""A folder that somebody prepared against its auditor: links, pipes, sizes, names and forms."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import folder as folder_module
from audit.auditor import audit
from audit.folder import Folder
from audit.report import Finding, Report, printable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "audit"
    (made / "log").mkdir(parents=True)
    (made / "log" / "checkpoint").write_text("text\n", "utf-8")
    return made


def test_a_link_is_never_followed(root: Path, tmp_path: Path) -> None:
    """A link to a file, one to a folder on the way, and one that leads nowhere are findings, not content."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("x", "utf-8")
    (root / "file").symlink_to(secret / "file")
    (root / "folder").symlink_to(secret)
    (root / "nowhere").symlink_to(root / "missing")
    for path in ("file", "folder/file", "nowhere"):
        with pytest.raises(Finding):
            Folder(root).read(path)
    with pytest.raises(Finding):
        Folder(root).names("folder")
    with pytest.raises(Finding):
        Folder(root).paths()


def test_a_pipe_or_a_device_is_not_waited_for(root: Path) -> None:
    """A named pipe in the place of a file would hold a reader for ever; here it is a finding at once."""
    (root / "log" / "checkpoint").unlink()
    os.mkfifo(root / "log" / "checkpoint")
    with pytest.raises(Finding, match="neither"):
        Folder(root).read("log/checkpoint")
    with pytest.raises(Finding, match="neither"):
        Folder(root).paths()


def test_a_name_that_leads_outside_is_refused(root: Path) -> None:
    """Documents may name paths; none of them leads out of the folder."""
    (root.parent / "outside").write_text("x", "utf-8")
    for path in ("../outside", "log/../../outside", str(root.parent / "outside"), "log/\0", "x" * 5000):
        with pytest.raises(Finding):
            Folder(root).read(path)


def test_a_huge_file_is_not_read(root: Path) -> None:
    """A file beyond the limit of its kind is refused by its size; sparse terabytes cost nothing."""
    with (root / "log" / "checkpoint").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Finding, match="longer"):
        Folder(root).read("log/checkpoint")


def test_too_many_files_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of files stops at its limit."""
    monkeypatch.setattr(folder_module, "MAX_FILES", 3)
    for number in range(4):
        (root / str(number)).touch()
    with pytest.raises(Finding, match="more files"):
        Folder(root).paths()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'{"a":1.5}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_canonical_json_is_a_finding(root: Path, data: bytes) -> None:
    """Broken, ambiguous, deep, non-UTF-8 and overlong JSON are refused in the same way."""
    (root / "document.json").write_bytes(data)
    with pytest.raises(Finding):
        Folder(root).document("document.json")


def test_text_has_one_form(root: Path) -> None:
    """Text that is not UTF-8 is a finding, and lines end with a newline and nothing else."""
    path = root / "log" / "entries.jsonl"
    path.write_bytes(b"\xff\n")
    with pytest.raises(Finding):
        list(Folder(root).lines("log/entries.jsonl"))
    path.write_bytes(b"one\ntwo")
    with pytest.raises(Finding, match="not whole"):
        list(Folder(root).lines("log/entries.jsonl"))
    path.write_bytes(b"one\x0btwo\n")
    assert list(Folder(root).lines("log/entries.jsonl")) == ["one\x0btwo"]


def test_names_of_files_steer_no_terminal() -> None:
    """Escape sequences, surrogates and new lines in what a finding names are written out; Persian stays Persian."""
    assert printable("\x1b[2Jok\n\udcff") == "\\x1b[2Jok\\n\\udcff"
    assert printable("راه‌سازان") == "راه‌سازان"


def test_an_audit_of_nonsense_ends_with_findings(root: Path) -> None:
    """An empty or senseless folder, and senseless anchors, end in a report that says not ok."""
    for anchors in (b"", b"\xff", b"{}", b'{"type":"mohr/anchors/v1"}', b"[" * 100_000):
        report = audit(root, anchors, [b"\xff"])
        assert not report.ok
        assert report.first_finding is not None
        assert report.to_json()["ok"] is False


def test_a_report_without_checks_is_not_ok() -> None:
    """Nothing checked is not the same as nothing off."""
    assert not Report().ok
    assert Report().first_finding is None
    assert Report().to_json()["first_finding"] is None


def test_the_audit_needs_neither_database_nor_network() -> None:
    """A process that runs the audit has loaded no database, no HTTP client and no web framework."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from audit.auditor import audit\n"
        "assert not audit(Path('/nonexistent'), b'{}', []).ok\n"
        "print(sorted({'sqlalchemy', 'httpx', 'fastapi', 'starlette', 'uvicorn', 'kafka'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == "[]\n", done.stderr
