"""The files of docs/ceremonies.md are held as they stand there, in their order."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pki.authority import make_request
from pki.ceremonies.document import FIELDS, TYPE, parse_ceremony
from pki.ceremonies.operators import Operator
from pki.ceremonies.transcript import verify_history
from pki.names import Subject
from tests.support.authority import make_key
from tests.support.ceremonies import Hall, make_operators
from tests.support.outside_root import OutsideRoot

PAGE = Path(__file__).resolve().parents[4] / "docs" / "ceremonies.md"


def documented(heading: str) -> list[dict[str, Any]]:
    """The TOML of a part of the page."""
    part = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", part, flags=re.DOTALL)]


def perform(hall: Hall, content: dict[str, Any]) -> None:
    """As a reader would: the file completed by the head and the operators, with real keys."""
    everybody = {"zahra": hall.operators[0], "omid": hall.operators[1], "sara": make_operators("sara")[0]}
    content["operators"] = [_entry(each) for each in hall.operators]
    for each in content.get("handover", {}).get("operators", ()):
        each |= _entry(everybody[each["name"]])
    hall.perform(parse_ceremony({"ceremony": TYPE, **content}, hall.inputs))


def _entry(operator: Operator) -> dict[str, str]:
    return {"name": operator.name, "public_key": operator.entry.public_key}


def test_a_root_of_our_own(tmp_path: Path) -> None:
    """From the root to other operators; in the end the third generation issues."""
    hall = Hall(tmp_path)
    for name in ("custodian", "isfahan"):
        csr = make_request(make_key(), Subject(name, f"IRO-{name}"))
        (hall.inputs / f"{name}.csr").write_bytes(csr)
    files = documented("With a root of our own")
    for content in files:
        perform(hall, content)
    assert len(verify_history(hall.authority)) == len(files)
    authority = hall.open()
    assert authority.intermediate.name == "intermediate-3"
    states = {each.name: each.state for each in authority.known}
    assert states == {
        "root": "retired",
        "root-2": "active",
        "intermediate": "retired",
        "intermediate-2": "revoked",
        "intermediate-3": "active",
    }
    assert [each.name for each in hall.description().operators] == ["zahra", "sara"]


def test_an_outside_root(tmp_path: Path) -> None:
    """The request goes out, the certificate comes in, and that root's own list gives it up."""
    hall, outside = Hall(tmp_path), OutsideRoot(tmp_path / "outside")
    asked, came, revoked = documented("With an outside root")
    perform(hall, asked)
    csr = hall.authority / "ceremonies" / "0001-1405-request" / "intermediate.csr"
    certificate = outside.sign(csr.read_bytes())
    (hall.inputs / "government-root.pem").write_bytes(outside.root)
    (hall.inputs / "tehran.pem").write_bytes(certificate)
    (hall.inputs / "government-root.crl").write_bytes(outside.crl())
    perform(hall, came)
    assert hall.open().intermediate.state == "active"
    outside.revoke(certificate)
    (hall.inputs / "government-root.crl").write_bytes(outside.crl())
    perform(hall, revoked)
    assert hall.open().intermediate.state == "revoked"


def test_every_field_is_on_the_page() -> None:
    """No kind of ceremony and no field of its section is missing in the table."""
    page = PAGE.read_text("utf-8")
    for kind, fields in FIELDS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |"))
        # The request is said to be as the intermediate.
        missing = [name for name in fields if f"`{name}`" not in row and kind != "request"]
        assert missing == []
