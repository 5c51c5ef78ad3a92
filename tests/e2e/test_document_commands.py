"""The walk-through of docs/document-register.md, run as it stands there, against a real server."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "document-register.md"
_BLOCK = re.compile(r"```\n(.*?)```", re.DOTALL)
_SECONDS = 240


def test_the_walk_through_works_as_it_is_written(tmp_path: Path) -> None:
    """From an empty folder to a proof that verifies: every block that can be copied is, and ends as the page says."""
    script = _script(tmp_path)
    done = _run(script, tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    said = done.stdout
    assert "AUTHENTIC" in said
    assert "3 registered, 0 refused" in said
    assert "0 registered, 0 refused, 3 had been before" in said
    assert "CORRECTED: these bytes" in said
    assert "the document at hand is the registered one, byte for byte" in said


def _script(folder: Path) -> str:
    """The blocks in their order, without those that show a form only (``...``, or INSTALLATION to be filled in)."""
    blocks = [each for each in _BLOCK.findall(_PAGE.read_text("utf-8")) if "mohr" in each]
    commands = "".join(each for each in blocks if "..." not in each and "INSTALLATION" not in each)
    for known, fresh in zip(("8530", "8531", "8532"), _free_ports(3), strict=True):
        commands = commands.replace(known, str(fresh))
    place = f"export PATH={Path(sys.executable).parent}:$PATH"
    commands = re.sub(r"^export PATH=.*$", place, commands, flags=re.MULTILINE)
    return commands.replace("/tmp/register", str(folder / "register"))


def _run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """By bash, as a person's shell runs it, but ended at the first command that fails; the server ends with it."""
    (folder / "walk.sh").write_text(
        "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"
        + script.replace("; echo $?", " || echo $?")
    )
    return subprocess.run(
        ["bash", str(folder / "walk.sh")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_PAGE.parents[1])},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
