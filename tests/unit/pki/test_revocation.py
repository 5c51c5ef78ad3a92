"""Revocation: at once on a new list, in order, by those who may; lists are renewed before they are stale."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from kernel.database import read_only
from kernel.errors import Forbidden, MalformedInput, NotFound, WrongState
from pki.algorithms import fingerprint_of
from pki.authority import make_request
from pki.errors import CertificateRevoked, RevocationUnknown
from pki.names import Subject
from pki.registry import EnterRequest, enter_request, find_certificate, issue_request, record_authority
from pki.revocation import (
    KNOWN_WITHIN,
    crls_are_due,
    current_crl,
    current_crls,
    refresh_crls,
    revoke_certificate,
)
from pki.timestamp_serials import TimestampSerials
from pki.trust import TrustStore
from tests.support.authority import START, make_key
from tests.support.databases import Databases
from tests.support.registry import OPERATOR, REGISTRAR, STRANGER, Office, Person, make_office


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    made = make_office(tmp_path, databases.new())
    record_authority(made.authority, unit_of_work=made.unit_of_work, clock=made.clock)
    _refresh(made)
    yield made
    made.close()


def _refresh(office: Office) -> list[bytes]:
    return refresh_crls(unit_of_work=office.unit_of_work, clock=office.clock, authority=office.authority)


def _person(office: Office, party: str = "IR-1") -> x509.Certificate:
    csr = make_request(make_key(), Subject("Wish", party))
    request = enter_request(
        EnterRequest("person-signing", csr), unit_of_work=office.unit_of_work, clock=office.clock
    )
    issued = issue_request(
        request.id,
        party,
        "Person",
        None,
        actor=REGISTRAR,
        unit_of_work=office.unit_of_work,
        clock=office.clock,
        authority=office.authority,
    )
    return issued.certificate


def _revoke(
    office: Office, fingerprint: str, reason: str = "keyCompromise", actor: Person = REGISTRAR
) -> bytes:
    return revoke_certificate(
        fingerprint,
        reason,
        actor=actor,
        unit_of_work=office.unit_of_work,
        clock=office.clock,
        authority=office.authority,
    )


def _trust(office: Office) -> TrustStore:
    with read_only(office.sessions) as session:
        crls = current_crls(session)
    return TrustStore([office.authority.root.certificate], list(office.authority.chain), crls)


def test_revoked_at_once(office: Office) -> None:
    """The new list is there with the revocation, and a trust store that gets it refuses the certificate."""
    certificate, other = _person(office), _person(office, "IR-2")
    trust = _trust(office)
    trust.validate(certificate, [], START, "signature")
    trust.add_crl(_revoke(office, fingerprint_of(certificate)))
    with pytest.raises(CertificateRevoked):
        trust.validate(certificate, [], START, "signature", revocation="ever")
    assert trust.validate(other, [], START, "signature")
    with read_only(office.sessions) as session:
        recorded = find_certificate(session, fingerprint_of(certificate))
    assert recorded is not None
    assert (recorded.state, recorded.reason) == ("revoked", "keyCompromise")
    types = [event["type"].split(".")[3] for event in office.events()[-2:]]
    assert types == ["certificate-revoked", "revocation-list-issued"]


def test_what_was_taken_in_before_stays_valid(office: Office) -> None:
    """What was signed in the second of the revocation, or in a process that did not know of it yet, stays valid."""
    certificate = _person(office)
    office.clock.advance(timedelta(seconds=0.9))
    der = _revoke(office, fingerprint_of(certificate))
    trust, revoked = _trust(office), office.clock.now()
    trust.add_crl(der)
    for before in (revoked - timedelta(seconds=0.6), revoked, revoked + timedelta(seconds=1)):
        assert trust.validate(certificate, [], before, "signature")
        with pytest.raises(CertificateRevoked):
            trust.validate(certificate, [], before, "signature", revocation="ever")
    with pytest.raises(CertificateRevoked):
        trust.validate(certificate, [], revoked + KNOWN_WITHIN + timedelta(seconds=1), "signature")


def test_revocations_stay_on_the_list(office: Office) -> None:
    """Each list holds all revocations so far, under a number that grows."""
    numbers, counts = [], []
    for party in ("IR-1", "IR-2", "IR-3"):
        der = _revoke(office, fingerprint_of(_person(office, party)))
        parsed = x509.load_der_x509_crl(der)
        counts.append(len(parsed))
        numbers.append(parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert counts == [1, 2, 3]
    assert numbers == [2, 3, 4]


def test_who_may_revoke(office: Office) -> None:
    """Registrars revoke end certificates; an authority is revoked in a ceremony, a root by nobody."""
    certificate = _person(office)
    with pytest.raises(Forbidden):
        _revoke(office, fingerprint_of(certificate), actor=STRANGER)
    intermediate = fingerprint_of(office.authority.intermediate.certificate)
    for authority in (intermediate, fingerprint_of(office.authority.root.certificate)):
        with pytest.raises(WrongState):
            _revoke(office, authority, actor=OPERATOR)
    assert _trust(office).validate(certificate, [], START, "signature")


def test_what_can_be_revoked(office: Office) -> None:
    """Not twice, not what is unknown, and not for a reason that is none."""
    fingerprint = fingerprint_of(_person(office))
    with pytest.raises(MalformedInput):
        _revoke(office, fingerprint, "certificateHold")
    _revoke(office, fingerprint)
    with pytest.raises(WrongState):
        _revoke(office, fingerprint)
    with pytest.raises(NotFound):
        _revoke(office, "00" * 32)


def test_lists_are_renewed_in_time(office: Office) -> None:
    """Nothing is due in the first half of a list's life; at the half the intermediate's is renewed."""
    assert _refresh(office) == []
    office.clock.advance(timedelta(days=3.5) - timedelta(seconds=1))
    assert _refresh(office) == []
    office.clock.advance(timedelta(seconds=1))
    with read_only(office.sessions) as session:
        assert crls_are_due(session, office.clock.now(), office.authority)
    assert len(_refresh(office)) == 1
    assert _refresh(office) == []


def test_jump_of_the_clock(office: Office) -> None:
    """After a jump of months everything is stale, and one refresh makes everything fresh."""
    certificate = _person(office)
    office.clock.advance(timedelta(days=100))
    now = office.clock.now()
    with pytest.raises(RevocationUnknown):
        _trust(office).validate(certificate, [], now, "signature")
    assert len(_refresh(office)) == 2
    assert _trust(office).validate(certificate, [], now, "signature")


def test_lists_by_name(office: Office) -> None:
    """Each list is found by the name of its authority."""
    with read_only(office.sessions) as session:
        issuer = x509.load_der_x509_crl(current_crl(session, "root")).issuer
        assert issuer == office.authority.root.certificate.subject
        with pytest.raises(NotFound):
            current_crl(session, "other")


def test_time_stamp_serials(office: Office) -> None:
    """Serials follow each other, and a restart in the middle of a block skips the rest of it."""
    first = TimestampSerials(office.sessions, block=3)
    assert [first() for _ in range(4)] == [1, 2, 3, 4]
    second = TimestampSerials(office.sessions, block=3)
    assert [second(), first(), first(), first()] == [7, 5, 6, 10]
