"""Two operators sign the plan and the transcript; a crash, a refusal or a repetition leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernel.canonical import canonical_bytes, parse_canonical
from kernel.errors import Conflict, DomainError, LimitExceeded, MalformedInput, NotFound
from kernel.failpoints import VARIABLE
from pki.ceremonies.document import read_ceremony
from pki.ceremonies.holding import hold
from pki.ceremonies.operators import Approval, make_operator, open_operator, read_operator
from pki.ceremonies.plan import Plan, prepare
from pki.ceremonies.transcript import verify_history, verify_transcript
from pki.errors import ApprovalMissing, CeremonyRefused, KeyUnavailable, TranscriptInvalid
from tests.support.ceremonies import Hall, make_operators
from tests.support.registry import CHEAP

SUBJECT = {"organization": "Tehran", "party": "IRO-1"}
LIST = {"authority": "root"}


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    made = Hall(tmp_path)
    made.begin()
    return made


def _plan(hall: Hall, id: str = "list") -> Plan:
    return prepare(hall.document("crl", id, LIST), hall.authority)


def _hold(hall: Hall, plan: Plan, approvals: list[Approval], operators: Any = None) -> None:
    signing = hall.operators if operators is None else operators
    kwargs: dict[str, Any] = {"folder": hall.authority, "keys": hall.keys, "root_keys": hall.root_keys}
    hold(plan, approvals, signing, clock=hall.clock, **kwargs)


def test_two_different_operators(hall: Hall) -> None:
    """One alone, one twice, a stranger, or signatures under another plan: nothing happens and nothing is left."""
    plan, (zahra, omid) = _plan(hall), hall.operators
    stranger = make_operators("mallory", "eve")[1]
    impostor = replace(stranger, name="omid")
    other = _plan(hall, "another-list")
    for approvals in (
        [],
        [plan.approve(zahra)],
        [plan.approve(zahra), plan.approve(zahra)],
        [plan.approve(zahra), plan.approve(stranger)],
        [plan.approve(zahra), plan.approve(impostor)],
        [plan.approve(zahra), other.approve(omid)],
        [plan.approve(zahra), Approval("omid", "no base64")],
    ):
        with pytest.raises(ApprovalMissing):
            _hold(hall, plan, approvals)
    both = [plan.approve(zahra), plan.approve(omid)]
    with pytest.raises(ApprovalMissing):  # the transcript needs both as well
        _hold(hall, plan, both, [zahra])
    assert len(verify_history(hall.authority)) == 2
    assert not list((hall.authority / "ceremonies").glob(".staged*"))
    _hold(hall, plan, both)
    with pytest.raises(Conflict):
        _hold(hall, plan, both)


def test_signatures_are_for_one_state(hall: Hall) -> None:
    """A plan that was signed before another ceremony is worth nothing after it."""
    plan = _plan(hall)
    approvals = [plan.approve(each) for each in hall.operators]
    hall.hold("crl", "in-between", LIST)
    with pytest.raises(Conflict, match="has changed"):
        _hold(hall, plan, approvals)


def test_operators_are_those_of_the_authority(hall: Hall) -> None:
    """Who holds ceremonies was said in the first one; the next ones are named by two of them, in a ceremony."""
    strangers = make_operators("mallory", "eve")
    with pytest.raises(CeremonyRefused, match="not an operator"):
        prepare(hall.document("crl", "taken", LIST, operators=strangers), hall.authority)
    successors = make_operators("sara", "reza", "mina")
    named = [{"name": each.name, "public_key": each.entry.public_key} for each in successors]
    hall.hold("handover", "new-people", {"operators": named})
    with pytest.raises(CeremonyRefused, match="not an operator"):
        hall.hold("crl", "by-the-old", LIST)
    hall.operators = successors[1:]
    hall.hold("crl", "by-the-new", LIST)
    assert len(verify_history(hall.authority)) == 4


def test_a_transcript_tells_and_holds(hall: Hall) -> None:
    """A fixed clock gives fixed times; a changed byte, file or link of the chain is found."""
    held = hall.hold("rekey", "rekey", {"authority": "intermediate"})
    text = held.transcript.text()
    for told in ("made a key", "retired", "zahra, omid", "intermediate-2.pem", "verified up to the root"):
        assert told in text
    assert {step["at"] for step in held.transcript.content["steps"]} == {
        held.transcript.content["started_at"]
    }
    path = held.folder / "transcript.json"
    data = path.read_bytes()
    assert verify_transcript(data, held.folder).digest == held.transcript.digest
    for spot in range(20, len(data), len(data) // 60):
        altered = data[:spot] + bytes([data[spot] ^ 1]) + data[spot + 1 :]
        with pytest.raises(TranscriptInvalid):
            verify_transcript(altered, held.folder)
    certificate = held.folder / "intermediate-2.pem"
    kept = certificate.read_bytes()
    certificate.write_bytes(kept + b"\n")
    with pytest.raises(TranscriptInvalid, match="altered"):
        verify_history(hall.authority)
    certificate.write_bytes(kept)
    value = parse_canonical(data)
    value["signatures"] = value["signatures"][:1]
    with pytest.raises(TranscriptInvalid):
        verify_transcript(canonical_bytes(value))
    (held.folder.parent / "0002-begin-intermediate").rename(held.folder.parent / "0009-begin-intermediate")
    with pytest.raises(TranscriptInvalid):
        verify_history(hall.authority)


def test_the_description_is_what_the_transcript_says(hall: Hall) -> None:
    """Another authority.json than the one that the operators signed is not taken."""
    held = hall.hold("crl", "list", LIST)
    mark = held.folder / "authority.json"
    value = parse_canonical(mark.read_bytes())
    value["base_url"] = "http://elsewhere.example"
    mark.write_bytes(canonical_bytes(value))
    with pytest.raises(TranscriptInvalid):
        verify_history(hall.authority)


def test_an_operator_of_files(tmp_path: Path) -> None:
    """A key of its own under a passphrase of its own; with another passphrase it does not open."""
    made = make_operator(tmp_path / "zahra", "zahra", "a long passphrase", kind="P-256", cost=CHEAP)
    assert read_operator(tmp_path / "zahra") == made.entry
    assert open_operator(tmp_path / "zahra", "a long passphrase").entry == made.entry
    with pytest.raises(KeyUnavailable):
        open_operator(tmp_path / "zahra", "another passphrase")
    with pytest.raises(Conflict):
        make_operator(tmp_path / "zahra", "zahra", "a long passphrase", cost=CHEAP)


def test_without_the_root(hall: Hall) -> None:
    """Where the root's store is not at hand, what needs it is refused, and no new key stays behind."""
    document = hall.document("rekey", "no-root", {"authority": "intermediate"})
    with pytest.raises(CeremonyRefused, match="store of the root"):
        hall.perform(document, apart=False)
    assert hall.keys.names() == ["intermediate", "receipt", "tsa"]


CRASH = """
import sys
from pathlib import Path
from kernel import failpoints
from pki.ceremonies.operators import open_operator
from tests.support.ceremonies import Hall
failpoints.arm(demo=True)
folder = Path(sys.argv[1])
hall = Hall(folder, [open_operator(folder / name, "a long passphrase") for name in ("zahra", "omid")])
hall.hold("rekey", sys.argv[2], {"authority": "intermediate"})
"""


def test_a_crash_leaves_nothing_half_done(tmp_path: Path) -> None:
    """Killed before the rename, the authority is as before; the ceremony is held again and clears what was left."""
    operators = [
        make_operator(tmp_path / name, name, "a long passphrase", cost=CHEAP) for name in ("zahra", "omid")
    ]
    hall = Hall(tmp_path, operators)
    hall.begin()
    before = hall.description()
    (tmp_path / "failpoint").write_text("before.ceremony 1")
    environment = {**os.environ, VARIABLE: str(tmp_path / "failpoint")}
    command = [sys.executable, "-c", CRASH, str(tmp_path), "rekey"]
    died = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert hall.description() == before
    assert "intermediate-2" in hall.keys.names()
    held = hall.hold("rekey", "rekey", {"authority": "intermediate"})
    assert "removed a key left" in held.transcript.text()
    assert hall.open().intermediate.certificate == hall.certificate(held, "intermediate-2")
    assert [each.name for each in (hall.authority / "ceremonies").iterdir() if each.is_dir()] != []
    assert not list((hall.authority / "ceremonies").glob(".staged*"))


FILE = """
ceremony = "mohr/ceremony/v1"
id = "one"
kind = "crl"
crl = {authority = "root"}
operators = [
  {name = "zahra", public_key = "ZAHRA"},
  {name = "omid", public_key = "OMID"},
]
"""


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: text.replace('id = "one"', 'id = "one"\ncolour = "red"'), MalformedInput),
        (lambda text: text.replace('authority = "root"', 'authority = "root", force = true'), MalformedInput),
        (lambda text: text.replace('"root"}', '"../root"}'), MalformedInput),
        (lambda text: text.replace('"root"}', "7}"), MalformedInput),
        (lambda text: text.replace('kind = "crl"', 'kind = "party"'), MalformedInput),
        (lambda text: text.replace('id = "one"', 'id = "One/.."'), MalformedInput),
        (lambda text: text.replace("ceremony/v1", "ceremony/v2"), MalformedInput),
        (lambda text: text.replace('name = "omid"', 'name = "zahra"'), MalformedInput),
        (lambda text: text.replace("OMID", "ZAHRA"), MalformedInput),
        (lambda text: text.replace("OMID", "AAAA"), MalformedInput),
        (lambda text: text.replace('name = "omid", ', 'name = "omid", phone = "1", '), MalformedInput),
        (lambda text: text[: text.index("operators")], MalformedInput),
        (lambda text: text.replace("crl = {", "[crl"), MalformedInput),
        (lambda text: text + "\n[authority]\ndemo = true\n", MalformedInput),
        (lambda text: text + "#" * (64 << 10), LimitExceeded),
        (lambda text: text.replace("crl", "certify"), MalformedInput),
    ],
)
def test_a_file_is_read_strictly(
    tmp_path: Path, change: Callable[[str], str], error: type[DomainError]
) -> None:
    """Unknown, missing or doubled things, wrong kinds, other versions, too much: refused before anything else."""
    zahra, omid = (each.entry.public_key for each in make_operators("zahra", "omid"))
    path = tmp_path / "ceremony.toml"
    path.write_text(FILE.replace("ZAHRA", zahra).replace("OMID", omid))
    assert read_ceremony(path).kind == "crl"
    path.write_text(change(FILE).replace("ZAHRA", zahra).replace("OMID", omid))
    with pytest.raises(error):
        read_ceremony(path)
    with pytest.raises(NotFound):
        read_ceremony(tmp_path / "missing.toml")


def test_its_files_lie_beside_it(hall: Hall, tmp_path: Path) -> None:
    """No path leads out of the folder, neither by its name nor by a link, and nothing is read that never ends."""
    hall.folder.mkdir(exist_ok=True)
    outside = hall.folder.parent / "outside.csr"
    outside.write_bytes(b"x")
    (hall.folder / "link.csr").symlink_to(outside)
    os.mkfifo(hall.folder / "pipe.csr")
    section = {"profile": "person-signing", "party": "IR-1", "name": "One"}
    for name in (str(outside), "../outside.csr", "link.csr", "pipe.csr", ".", "a\x00b"):
        with pytest.raises(MalformedInput, match="file of the ceremony"):
            hall.document("certify", "one", {**section, "request": name})
    with pytest.raises(NotFound):
        hall.document("certify", "one", {**section, "request": "missing.csr"})


def test_it_begins_somewhere(tmp_path: Path) -> None:
    """Without an authority only a root or a request can be the first."""
    hall = Hall(tmp_path)
    with pytest.raises(CeremonyRefused):
        hall.hold("intermediate", "first", SUBJECT)
    hall.begin(key="here")
    with pytest.raises(CeremonyRefused, match="begins"):
        hall.hold("root", "second", {**SUBJECT}, authority={"demo": True})
