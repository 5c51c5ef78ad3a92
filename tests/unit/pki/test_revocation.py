"""Revocation and suspension: at once on a list, by those who may, and judged as decision 0066 says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from kernel.clock import format_utc
from kernel.database import read_only
from kernel.errors import DomainError, Forbidden, FourEyes, MalformedInput, NotFound, WrongState
from pki.algorithms import fingerprint_of
from pki.errors import CertificateRevoked, ProposalNeeded
from pki.orm import CertificateRow, RevocationRow
from pki.registry import find_certificate, serial_text
from pki.revocation import KNOWN_WITHIN, Verdict, revoke_certificates, revoke_party
from pki.revocation_proposals import (
    confirm_revocation,
    open_proposals,
    propose_revocation,
    withdraw_proposal,
)
from pki.timestamp_serials import TimestampSerials
from tests.support.authority import START
from tests.support.databases import Databases
from tests.support.registry import REGISTRAR, SECOND, STRANGER, Office, Person
from tests.support.revocation import (
    list_at,
    number_of,
    open_office,
    parsed,
    person,
    reasons_of,
    resume,
    revoke,
    suspend,
    trust_of,
)


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    with open_office(tmp_path, databases.new()) as made:
        yield made


def _recorded(office: Office, certificate: x509.Certificate) -> tuple[str, str | None, str | None]:
    with read_only(office.sessions) as session:
        found = find_certificate(session, fingerprint_of(certificate))
    assert found is not None
    return found.state, found.reason, found.revoked_at


def _facts(office: Office) -> list[str]:
    return [event["type"].split(".")[3] for event in office.events()]


def test_revoked_at_once(office: Office) -> None:
    """The new list is there with the revocation, and a trust store that gets it refuses the certificate."""
    certificate, other = person(office), person(office, "IR-2")
    trust = trust_of(office)
    trust.validate(certificate, [], START, "signature")
    for der in revoke(office, certificate).lists:
        trust.add_crl(der)
    with pytest.raises(CertificateRevoked):
        trust.validate(certificate, [], START, "signature", revocation="ever")
    assert trust.validate(other, [], START, "signature")
    assert _recorded(office, certificate)[:2] == ("revoked", "keyCompromise")
    assert _facts(office)[-3:] == ["certificate-revoked", "revocation-list-issued", "revocation-list-issued"]


def test_what_was_taken_in_before_stays_valid(office: Office) -> None:
    """What was signed in the second of the revocation, or in a process that did not know of it yet, stays valid."""
    certificate = person(office)
    office.clock.advance(timedelta(seconds=0.9))
    revoke(office, certificate)
    trust, revoked = trust_of(office), office.clock.now()
    for before in (revoked - timedelta(seconds=0.6), revoked, revoked + timedelta(seconds=1)):
        assert trust.validate(certificate, [], before, "signature")
        with pytest.raises(CertificateRevoked):
            trust.validate(certificate, [], before, "signature", revocation="ever")
    with pytest.raises(CertificateRevoked):
        trust.validate(certificate, [], revoked + KNOWN_WITHIN + timedelta(seconds=1), "signature")


def test_before_during_and_after_a_hold(office: Office) -> None:
    """On hold, what was signed before stays valid and nothing is taken in; once it is lifted all of it is fine."""
    certificate = person(office)
    before = office.clock.now()
    suspend(office, certificate)
    office.clock.advance(timedelta(days=1))
    during = office.clock.now()
    held = trust_of(office)
    assert held.validate(certificate, [], before, "signature")
    for instant, mode in ((during, "at"), (before, "ever"), (during, "ever")):
        with pytest.raises(CertificateRevoked) as refused:
            held.validate(certificate, [], instant, "signature", revocation=mode)  # type: ignore[arg-type]
        assert refused.value.fields["reason"] == "certificateHold"
    assert _recorded(office, certificate)[0] == "suspended"

    for der in resume(office, certificate).lists:
        held.add_crl(der)

    for store in (held, trust_of(office)):
        for instant in (before, during, during + timedelta(days=1)):
            assert store.validate(certificate, [], instant, "signature", revocation="ever")
    assert _recorded(office, certificate) == ("issued", None, None)
    facts = [fact for fact in _facts(office) if fact in ("certificate-suspended", "certificate-resumed")]
    assert facts == ["certificate-suspended", "certificate-resumed"]


def test_a_hold_that_becomes_a_revocation_keeps_its_date(office: Office) -> None:
    """Revoked while on hold, a certificate is revoked since the hold; resumed in between, since the revocation."""
    held, lifted = person(office), person(office, "IR-2")
    for each in (held, lifted):
        suspend(office, each)
    since = _recorded(office, held)[2]
    resume(office, lifted)
    office.clock.advance(timedelta(days=1))
    for each in (held, lifted):
        revoke(office, each, "superseded")

    assert _recorded(office, held) == ("revoked", "superseded", since)
    assert str(_recorded(office, lifted)[2]) > format_utc(office.clock.now())
    assert reasons_of(list_at(office)) == {each.serial_number: "superseded" for each in (held, lifted)}


def test_what_is_refused(office: Office) -> None:
    """Not twice, not back, not what is unknown, not for a reason that is none; and nothing is written."""
    fresh, held, revoked = (person(office, party) for party in ("IR-1", "IR-2", "IR-3"))
    suspend(office, held)
    revoke(office, revoked)
    recorded = _facts(office)
    tomorrow = office.clock.now() + timedelta(days=1)
    attempts: list[tuple[type[DomainError], str, Callable[[], object]]] = [
        (WrongState, "revoked already", lambda: revoke(office, revoked)),
        (WrongState, "revoked already", lambda: suspend(office, revoked)),
        (WrongState, "revoked already", lambda: resume(office, revoked)),
        (WrongState, "on hold already", lambda: suspend(office, held)),
        (WrongState, "not on hold", lambda: resume(office, fresh)),
        (MalformedInput, "reason", lambda: revoke(office, fresh, "certificateHold")),
        (MalformedInput, "reason", lambda: revoke(office, fresh, "removeFromCRL")),
        (MalformedInput, "reason", lambda: revoke(office, fresh, "cACompromise")),
        (MalformedInput, "past", lambda: revoke(office, fresh, invalid_since=tomorrow)),
        (MalformedInput, "compromise", lambda: revoke(office, fresh, "superseded", invalid_since=START)),
        (NotFound, "certificate", lambda: _revoke_unknown(office)),
    ]
    for kind, told, attempt in attempts:
        with pytest.raises(kind, match=told):
            attempt()
    assert _facts(office) == recorded


def _revoke_unknown(office: Office) -> None:
    revoke_certificates(
        ["00" * 32],
        Verdict("superseded"),
        actor=REGISTRAR,
        unit_of_work=office.unit_of_work,
        clock=office.clock,
        authority=office.authority,
    )


def test_who_may(office: Office) -> None:
    """Registrars, and the holder for himself, but he lifts no hold and gives no reason that is an authority's."""
    certificate, other = person(office), person(office, "IR-2")
    holder = Person("IR-1", frozenset({"bidder"}))
    for attempt in (suspend, revoke):
        with pytest.raises(Forbidden):
            attempt(office, certificate, actor=STRANGER)
    with pytest.raises(Forbidden):
        revoke(office, other, actor=holder)
    with pytest.raises(MalformedInput):
        revoke(office, certificate, "privilegeWithdrawn", actor=holder)
    suspend(office, certificate, actor=holder)
    with pytest.raises(Forbidden):
        resume(office, certificate, actor=holder)
    revoke(office, certificate, actor=holder)
    assert _recorded(office, certificate)[0] == "revoked"
    assert _recorded(office, other)[0] == "issued"


@pytest.mark.parametrize("which", ["tsa", "receipt"])
def test_services_need_two(office: Office, which: str) -> None:
    """One registrar proposes, another one confirms; alone nobody revokes them, and nobody puts them on hold."""
    one = getattr(office.authority, which).certificate
    reason = "keyCompromise"
    use: dict[str, Any] = {"unit_of_work": office.unit_of_work, "clock": office.clock}
    with pytest.raises(ProposalNeeded):
        revoke(office, one, "superseded")
    with pytest.raises(Forbidden):
        suspend(office, one)
    proposed = propose_revocation(fingerprint_of(one), Verdict(reason, START), actor=REGISTRAR, **use)
    with pytest.raises(WrongState, match="proposed already"):
        propose_revocation(fingerprint_of(one), Verdict(reason), actor=SECOND, **use)
    with read_only(office.sessions) as session:
        assert open_proposals(session) == [proposed]
    with pytest.raises(FourEyes):
        confirm_revocation(proposed.id, actor=REGISTRAR, authority=office.authority, **use)
    with pytest.raises(Forbidden):
        confirm_revocation(proposed.id, actor=STRANGER, authority=office.authority, **use)
    assert _recorded(office, one)[0] == "issued"

    confirm_revocation(proposed.id, actor=SECOND, authority=office.authority, **use)

    assert _recorded(office, one)[:2] == ("revoked", reason)
    assert reasons_of(list_at(office, "intermediate")) == {one.serial_number: reason}
    with pytest.raises(WrongState):
        confirm_revocation(proposed.id, actor=SECOND, authority=office.authority, **use)


def test_a_proposal_can_be_withdrawn(office: Office) -> None:
    """What was withdrawn cannot be confirmed, and may be proposed again; authorities are not revoked in this way."""
    tsa = fingerprint_of(office.authority.tsa.certificate)
    use: dict[str, Any] = {"unit_of_work": office.unit_of_work, "clock": office.clock}
    first = propose_revocation(tsa, Verdict("superseded"), actor=REGISTRAR, **use)
    withdraw_proposal(first.id, actor=REGISTRAR, **use)
    with pytest.raises(WrongState):
        confirm_revocation(first.id, actor=SECOND, authority=office.authority, **use)
    assert propose_revocation(tsa, Verdict("superseded"), actor=SECOND, **use).state == "proposed"
    root = fingerprint_of(office.authority.root.certificate)
    with pytest.raises(WrongState, match="root"):
        propose_revocation(root, Verdict("superseded"), actor=REGISTRAR, **use)
    intermediate = fingerprint_of(office.authority.intermediate.certificate)
    with pytest.raises(WrongState, match="ceremony"):
        propose_revocation(intermediate, Verdict("superseded"), actor=REGISTRAR, **use)


def test_since_when_the_key_was_in_other_hands(office: Office) -> None:
    """The list says it beside the date of revocation, which alone decides what is valid."""
    certificate = person(office)
    office.clock.advance(timedelta(hours=1))
    revoke(office, certificate, invalid_since=START)

    (line,) = parsed(list_at(office))
    assert line.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc == START
    assert trust_of(office).validate(certificate, [], START + timedelta(minutes=30), "signature")


def test_all_of_a_party_in_one_go(office: Office) -> None:
    """Every certificate of a party, one on hold too, under one number; of a given set either all or none."""
    mine = [person(office) for _ in range(3)]
    other = person(office, "IR-2")
    suspend(office, mine[0])
    use: dict[str, Any] = {
        "actor": REGISTRAR,
        "unit_of_work": office.unit_of_work,
        "clock": office.clock,
        "authority": office.authority,
    }
    with pytest.raises(NotFound):
        revoke_certificates(
            [fingerprint_of(mine[1]), "00" * 32],
            Verdict("superseded"),
            **use,
        )
    assert _recorded(office, mine[1])[0] == "issued"

    change = revoke_party("IR-1", Verdict("cessationOfOperation"), **use)

    assert set(change.fingerprints) == {fingerprint_of(each) for each in mine}
    assert reasons_of(list_at(office)) == {each.serial_number: "cessationOfOperation" for each in mine}
    with read_only(office.sessions) as session:
        entries = [session.get_one(RevocationRow, serial_text(each.serial_number)) for each in mine]
        assert len({entry.changed_in for entry in entries}) == 1
    assert _recorded(office, other)[0] == "issued"
    with pytest.raises(NotFound):
        revoke_party("IR-1", Verdict("superseded"), **use)


def test_at_the_same_time(office: Office) -> None:
    """Revocations that come together follow one another: each has a number of its own, and none is lost."""
    certificates = [person(office, f"IR-{n}") for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        changes = list(pool.map(lambda each: revoke(office, each), certificates))
    assert len({number_of(change.lists[0]) for change in changes}) == len(certificates)
    assert set(reasons_of(list_at(office))) == {each.serial_number for each in certificates}


def test_an_issuer_that_is_not_here(office: Office) -> None:
    """What another authority issued cannot be revoked by this one, and nothing is written."""
    certificate = person(office)
    with office.unit_of_work() as uow:
        uow.session.get_one(CertificateRow, serial_text(certificate.serial_number)).issuer = "elsewhere"
        uow.commit()
    with pytest.raises(NotFound, match="authority"):
        revoke(office, certificate)
    assert _recorded(office, certificate)[0] == "issued"


def test_time_stamp_serials(office: Office) -> None:
    """Serials follow each other, and a restart in the middle of a block skips the rest of it."""
    first = TimestampSerials(office.sessions, block=3)
    assert [first() for _ in range(4)] == [1, 2, 3, 4]
    second = TimestampSerials(office.sessions, block=3)
    assert [second(), first(), first(), first()] == [7, 5, 6, 10]
