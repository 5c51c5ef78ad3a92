"""Issuance: only what was approved, intents before signatures, serials never reused, also in a killed process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import select

from kernel import failpoints
from kernel.database import make_engine, make_sessions, read_only
from kernel.errors import Forbidden, LimitExceeded, MalformedInput, NotFound, WrongState
from pki import issuance
from pki.algorithms import fingerprint_of
from pki.errors import KeyReused
from pki.installation import Authority
from pki.issuance import abandon_intents, issue_batch, record_authority
from pki.orm import CertificateRow
from pki.registration import find_request
from pki.registry import (
    RecordedCertificate,
    Search,
    certificates_of,
    find_certificate,
    search_certificates,
    serial_text,
)
from tests.support.authority import make_key
from tests.support.databases import Databases
from tests.support.registry import REGISTRAR, STRANGER, Office, make_office


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    made = make_office(tmp_path, databases.new())
    assert made.signers
    yield made
    made.close()


def _states(office: Office) -> dict[str, str]:
    """The state of each serial of IR-1, as another connection sees it."""
    with read_only(office.sessions) as session:
        rows = session.scalars(select(CertificateRow).where(CertificateRow.party == "IR-1"))
        return {row.serial: row.state for row in rows}


def test_an_approved_request_becomes_a_certificate(office: Office) -> None:
    """For the subject that was approved, recorded, found by its party and fingerprint, and announced."""
    request = office.approved()
    recorded = office.issue(request)
    with read_only(office.sessions) as session:
        assert find_request(session, request).certificate == recorded.certificate
        assert find_certificate(session, recorded.fingerprint) == recorded
        assert certificates_of(session, "IR-1", "person-signing") == [recorded]
    event = office.events()[-1]
    assert event["type"] == "ir.tehran.pki.certificate-issued.v1"
    assert event["subject"] == fingerprint_of(recorded.certificate)
    assert event["data"]["party"] == "IR-1"
    assert int(event["data"]["serial"], 16) == recorded.certificate.serial_number


def test_nothing_is_issued_without_approval(office: Office) -> None:
    """Neither what was only entered nor what was only applied for; nor twice, nor by a bidder, nor the unknown."""
    entered, applied, approved = office.request(), office.request(), office.approved()
    office.apply([applied])
    for request in (entered.id, applied.id):
        with pytest.raises(WrongState):
            office.issue(request)
    with pytest.raises(Forbidden):
        office.issue(approved, STRANGER)
    with pytest.raises(NotFound):
        office.issue("no-such-request")
    assert _states(office) == {}
    office.issue(approved)
    with pytest.raises(WrongState):
        office.issue(approved)


def test_intent_comes_first(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the certificate is signed, its serial is durable already: another connection sees the intent."""
    seen: list[dict[str, str]] = []
    sign = Authority.issue
    request = office.approved()

    def watched(self: Authority, *arguments: Any, **named: Any) -> x509.Certificate:
        seen.append(_states(office))
        return sign(self, *arguments, **named)

    monkeypatch.setattr(Authority, "issue", watched)
    recorded = office.issue(request)
    assert seen == [{serial_text(recorded.serial): "intended"}]


def test_a_batch_is_all_or_nothing(office: Office) -> None:
    """Many in one go, each with its own serial and event; one that is not approved holds all of them back."""
    requests = [office.approved(f"IR-{number}") for number in range(10, 15)]
    waiting = office.request().id
    with pytest.raises(WrongState):
        issue_batch([*requests, waiting], actor=REGISTRAR, **office.issuing)
    issued = issue_batch(requests, actor=REGISTRAR, **office.issuing)
    assert [each.party for each in issued] == [f"IR-{number}" for number in range(10, 15)]
    assert len({each.serial for each in issued}) == 5
    assert [each["subject"] for each in office.events()[-5:]] == [each.fingerprint for each in issued]
    with pytest.raises(MalformedInput):
        issue_batch([waiting, waiting], actor=REGISTRAR, **office.issuing)
    with pytest.raises(LimitExceeded):
        issue_batch([waiting] * 501, actor=REGISTRAR, **office.issuing)


STEPS = ("issue.intending", "before.nothing", "issue.intended", "issue.signed", "before.certificate-issued")


@pytest.mark.parametrize("step", [*STEPS, "after.certificate-issued", "issue.recorded"])
def test_a_killed_process_leaves_no_unknown_certificate(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """SIGKILL at each step: nothing got out that is not recorded, and what follows takes another serial."""
    request = office.approved()
    (tmp_path / "failpoint").write_text(f"{step} 1", "ascii")
    monkeypatch.setenv(failpoints.VARIABLE, str(tmp_path / "failpoint"))
    given = _issue_in_child(office, request)
    assert given == b""

    recorded_before_death = step in ("after.certificate-issued", "issue.recorded")
    assert abandon_intents(unit_of_work=office.unit_of_work) == int(step in STEPS[2:])
    spent = _states(office)
    assert set(spent.values()) <= {"issued" if recorded_before_death else "abandoned"}
    if recorded_before_death:
        with pytest.raises(WrongState):
            office.issue(request)
    else:
        assert serial_text(office.issue(request).serial) not in spent
    assert list(_states(office).values()).count("issued") == 1
    announced = [each for each in office.events() if each["type"].endswith("certificate-issued.v1")]
    assert [each["data"]["party"] for each in announced].count("IR-1") == 1


def _issue_in_child(office: Office, request: str) -> bytes:
    """What a child process hands out before it dies, with a connection of its own to the same database."""
    url = office.sessions.kw["bind"].url.render_as_string(hide_password=False)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(demo=True)
            own = Office(office.authority, make_sessions(make_engine(url)), office.clock)
            os.write(writing, own.issue(request).fingerprint.encode())
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        given = stream.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    return given


def test_taken_up_meanwhile(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two registrars at once one succeeds; the other's certificate is never recorded or given out."""
    request_id, sign = office.approved(), Authority.issue
    winners: list[RecordedCertificate] = []

    def overtaken(self: Authority, *arguments: Any, **named: Any) -> x509.Certificate:
        monkeypatch.setattr(Authority, "issue", sign)
        winners.append(office.issue(request_id))
        return sign(self, *arguments, **named)

    monkeypatch.setattr(Authority, "issue", overtaken)
    with pytest.raises(WrongState):
        office.issue(request_id)
    assert sorted(_states(office).values()) == ["abandoned", "issued"]
    with read_only(office.sessions) as session:
        assert certificates_of(session, "IR-1") == winners


def test_two_at_once_certify_a_key_once(office: Office) -> None:
    """Eight requests for one key, each approved for another party, are issued at the same moment: one gets through."""
    key = make_key()
    requests = [office.approved(f"IR-{number}", key=key) for number in range(20, 28)]
    start = threading.Barrier(len(requests))

    def attempt(request: str) -> bool:
        start.wait(30)
        try:
            office.issue(request)
        except KeyReused:
            return False
        return True

    with ThreadPoolExecutor(len(requests)) as pool:
        assert list(pool.map(attempt, requests)).count(True) == 1


def test_serials_are_checked(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that repeats itself does not repeat a serial number."""
    requests = [office.approved(), office.approved()]
    numbers = iter([7, 7, 7, 8])
    monkeypatch.setattr(issuance, "new_serial", lambda: next(numbers))
    assert [office.issue(each).serial for each in requests] == [7, 8]


def test_first_certificates_are_recorded_once(office: Office) -> None:
    """What was made at the beginning is recorded and announced, and a second time nothing happens."""
    before = len(office.events())
    recorded = record_authority(office.authority, unit_of_work=office.unit_of_work, clock=office.clock)
    assert {item.profile for item in recorded} == {"root", "intermediate", "tsa", "service-seal"}
    assert len(office.events()) == before + 4
    assert record_authority(office.authority, unit_of_work=office.unit_of_work, clock=office.clock) == []
    assert len(office.events()) == before + 4


def test_certificates_are_searched(office: Office) -> None:
    """By party, part of a name, serial, fingerprint, profile, state and end; in pages; never an intent."""
    one, two = office.certify("IR-1"), office.certify("IR-2", "organisation-seal")
    now = office.clock.now()

    def found(**wanted: Any) -> set[str]:
        with read_only(office.sessions) as session:
            hits = search_certificates(session, Search(**wanted), now=now)
        return {each.fingerprint for each in hits} & {one.fingerprint, two.fingerprint}

    assert found() == {one.fingerprint, two.fingerprint}
    assert found(party="IR-1") == {one.fingerprint}
    assert found(name="مرادی", profile="organisation-seal") == {two.fingerprint}
    assert found(name="%") == set()
    assert found(serial=f"{one.serial:X}") == {one.fingerprint}
    assert found(fingerprint=two.fingerprint, state="issued") == {two.fingerprint}
    assert found(state="revoked") == set()
    ends = one.certificate.not_valid_after_utc
    assert found(expires_until=ends, party="IR-1") == {one.fingerprint}
    assert found(expires_until=now) == set()
    first, second = sorted((one, two), key=lambda each: each.serial)
    assert second.fingerprint in found(after=serial_text(first.serial))
    assert first.fingerprint not in found(after=serial_text(first.serial))
    for wrong in (Search(limit=0), Search(limit=1_001), Search(state="intended")):
        with read_only(office.sessions) as session, pytest.raises(MalformedInput):
            search_certificates(session, wrong, now=now)
