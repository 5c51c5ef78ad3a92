"""Registration: requests enter, registrars issue, intents come before signatures and serials are never reused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from kernel.database import read_only
from kernel.errors import Forbidden, LimitExceeded, MalformedInput, NotFound, WrongState
from pki import registry
from pki.algorithms import fingerprint_of
from pki.authority import make_request
from pki.errors import RequestInvalid
from pki.installation import Authority
from pki.names import Subject
from pki.orm import CertificateRow
from pki.registry import (
    EnterRequest,
    RecordedCertificate,
    certificates_of,
    enter_request,
    find_certificate,
    find_request,
    issue_request,
    open_requests,
    record_authority,
)
from tests.support.authority import make_key
from tests.support.databases import Databases
from tests.support.registry import REGISTRAR, STRANGER, Office, Person, make_office


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    made = make_office(tmp_path, databases.new())
    yield made
    made.close()


def _enter(office: Office, profile: str = "person-signing", csr: bytes | None = None) -> str:
    data = csr or make_request(make_key(), Subject("Wish", "IR-0"))
    command = EnterRequest(profile, data)
    return enter_request(command, unit_of_work=office.unit_of_work, clock=office.clock).id


def _issue(
    office: Office, request_id: str, party: str = "IR-1", actor: Person = REGISTRAR
) -> RecordedCertificate:
    return issue_request(
        request_id,
        party,
        "زهرا مرادی",
        None,
        actor=actor,
        unit_of_work=office.unit_of_work,
        clock=office.clock,
        authority=office.authority,
    )


def _states(office: Office) -> dict[str, str]:
    """The state of each serial, as another connection sees it."""
    with read_only(office.sessions) as session:
        return {row.serial: row.state for row in session.scalars(select(CertificateRow))}


def test_from_request_to_certificate(office: Office) -> None:
    """A request is entered, waits, is issued for the subject that the registrar names, and is announced."""
    request_id = _enter(office)
    with read_only(office.sessions) as session:
        assert [request.id for request in open_requests(session)] == [request_id]
        assert find_request(session, request_id).certificate is None
    recorded = _issue(office, request_id)
    with read_only(office.sessions) as session:
        assert open_requests(session) == []
        assert find_request(session, request_id).certificate == recorded.certificate
        assert find_certificate(session, recorded.fingerprint) == recorded
        assert certificates_of(session, "IR-1", "person-signing") == [recorded]
    event = office.events()[-1]
    assert event["type"] == "ir.tehran.pki.certificate-issued.v1"
    assert event["subject"] == fingerprint_of(recorded.certificate)
    assert event["data"]["party"] == "IR-1"
    assert int(event["data"]["serial"], 16) == recorded.certificate.serial_number


def test_entered_twice(office: Office) -> None:
    """The same request again, even in another encoding, is the one that is there."""
    csr = make_request(make_key(), Subject("Wish", "IR-0"))
    pem = x509.load_der_x509_csr(csr).public_bytes(Encoding.PEM)
    assert _enter(office, csr=csr) == _enter(office, csr=pem)


def test_profiles_from_outside(office: Office) -> None:
    """Nobody can ask for an authority, a service or a time stamper; unknown profiles are malformed."""
    for profile in ("root", "intermediate", "service-seal", "tsa"):
        with pytest.raises(Forbidden):
            _enter(office, profile)
    with pytest.raises(MalformedInput):
        _enter(office, "nonsense")
    with pytest.raises(RequestInvalid):
        _enter(office, "member-encryption", make_request(make_key("RSA"), Subject("W", "IR-0")))


def test_only_registrars_issue(office: Office) -> None:
    """A bidder issues nothing."""
    request_id = _enter(office)
    with pytest.raises(Forbidden):
        _issue(office, request_id, actor=STRANGER)
    assert _states(office) == {}


def test_issued_once(office: Office) -> None:
    """One request leads to one certificate."""
    request_id = _enter(office)
    _issue(office, request_id)
    with pytest.raises(WrongState):
        _issue(office, request_id)
    with pytest.raises(NotFound):
        _issue(office, "no-such-request")


def test_intent_comes_first(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the certificate is signed, its serial is durable already: another connection sees the intent."""
    seen: list[dict[str, str]] = []
    sign = Authority.issue

    def watched(self: Authority, *arguments: Any, **named: Any) -> x509.Certificate:
        seen.append(_states(office))
        return sign(self, *arguments, **named)

    monkeypatch.setattr(Authority, "issue", watched)
    recorded = _issue(office, _enter(office))
    assert seen == [{registry.serial_text(recorded.serial): "intended"}]


@pytest.mark.parametrize("crash_after_signing", [False, True])
def test_crash_while_signing(
    office: Office, monkeypatch: pytest.MonkeyPatch, crash_after_signing: bool
) -> None:
    """After a crash around the signature, issuing again takes a new serial and the old one stays spent."""
    request_id, sign = _enter(office), Authority.issue

    def crashing(self: Authority, *arguments: Any, **named: Any) -> x509.Certificate:
        if crash_after_signing:
            sign(self, *arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Authority, "issue", crashing)
        with pytest.raises(KeyboardInterrupt):
            _issue(office, request_id)
    recorded = _issue(office, request_id)
    states = _states(office)
    assert sorted(states.values()) == ["abandoned", "issued"]
    assert states[registry.serial_text(recorded.serial)] == "issued"


def test_taken_up_meanwhile(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two registrars at once one succeeds; the other's certificate is never recorded or given out."""
    request_id, sign = _enter(office), Authority.issue
    winners: list[RecordedCertificate] = []

    def overtaken(self: Authority, *arguments: Any, **named: Any) -> x509.Certificate:
        monkeypatch.setattr(Authority, "issue", sign)
        winners.append(_issue(office, request_id, "IR-2"))
        return sign(self, *arguments, **named)

    monkeypatch.setattr(Authority, "issue", overtaken)
    with pytest.raises(WrongState):
        _issue(office, request_id, "IR-1")
    with read_only(office.sessions) as session:
        assert certificates_of(session, "IR-1") == []
        assert certificates_of(session, "IR-2") == winners


def test_serials_are_checked(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that repeats itself does not repeat a serial number."""
    numbers = iter([7, 7, 7, 8])
    monkeypatch.setattr(registry, "new_serial", lambda: next(numbers))
    assert [_issue(office, _enter(office)).serial for _ in range(2)] == [7, 8]


def test_limit_of_open_requests(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of waiting requests no more are taken, until some are issued."""
    monkeypatch.setattr(registry, "MAX_OPEN_REQUESTS", 2)
    first, _ = _enter(office), _enter(office)
    with pytest.raises(LimitExceeded):
        _enter(office)
    _issue(office, first)
    assert _enter(office)


def test_first_certificates_are_recorded_once(office: Office) -> None:
    """What was made at the beginning is recorded and announced, and a second time nothing happens."""
    recorded = record_authority(office.authority, unit_of_work=office.unit_of_work, clock=office.clock)
    assert {item.profile for item in recorded} == {"root", "intermediate", "tsa", "service-seal"}
    assert len(office.events()) == 4
    assert record_authority(office.authority, unit_of_work=office.unit_of_work, clock=office.clock) == []
    assert len(office.events()) == 4
