"""Registration: once for the same bytes, all of a paper or none, only by who acts for the unit, also when two do it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from authenticity.errors import (
    DocumentRegistered,
    FileNotDelivered,
    IdentifierUnreserved,
    KindUnknown,
    RuleBroken,
    UnitForbidden,
)
from authenticity.marking import marked
from authenticity.papers import Entry
from documents.register.desk import RegisterDesk
from documents.register.lookup import by_digest, by_identifier, of_unit
from kernel.database import read_only
from kernel.errors import DomainError, Forbidden, LimitExceeded, MalformedInput
from pki.algorithms import fingerprint_of
from pki.errors import CertificateRevoked
from pki.revocation import revoke_certificate
from schemas.events import DOCUMENT_REGISTERED
from signing.errors import WrongSigner
from tests.support.register_office import LIMITS, NAMES, PARKS, ROADS, Officer, RegisterOffice, at_once
from tests.support.registered import entry_of, report_file
from tests.support.registry import REGISTRAR
from tests.support.small_pdf import plain_pdf

# Of tests in which nothing depends on which database it is.
ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def test_what_is_repeated_is_registered_once(
    place: RegisterOffice, officer: Officer, colleague: Officer
) -> None:
    """The same paper, and another one of the unit with the same entry beside a new one, answer what is there."""
    first = officer.note(b"one")
    paper = officer.paper(first)
    (registered,) = officer.send(paper)

    assert officer.send(paper) == [registered]
    assert colleague.register(first) == [registered]
    again, other = colleague.register(first, colleague.note(b"two"))

    assert again == registered
    assert other.record.identifier != registered.record.identifier
    assert len(place.facts(DOCUMENT_REGISTERED.name)) == 2
    assert place.rows() == (2, 2, 0)
    with read_only(place.office.sessions) as session:
        assert by_digest(session, first.digest) == by_identifier(session, first.identifier) == registered
        assert of_unit(session, ROADS, None, 1) == [registered]
        assert of_unit(session, ROADS, registered.record.document, 5) == [other]
        assert of_unit(session, PARKS, None, 5) == []


@ON_SQLITE
def test_bytes_have_one_registration(place: RegisterOffice, officer: Officer, neighbour: Officer) -> None:
    """Registered bytes get no other kind, title or identifier; only their own unit is told the one they have."""
    note = officer.note(b"one")
    officer.register(note)
    others = [replace(note, title="دیگر"), replace(note, identifier=officer.reserve(1)[0])]
    others.append(replace(note, kind="report"))

    for other in others:
        with pytest.raises(DocumentRegistered) as refused:
            officer.register(other)
        assert refused.value.fields == {"digest": note.digest, "kind": "note", "identifier": note.identifier}
    for entry in (note, neighbour.note(b"one")):
        with pytest.raises(DocumentRegistered) as refused:
            neighbour.register(entry)
        assert refused.value.fields == {"digest": note.digest, "kind": "note"}
    assert place.rows() == (1, 1, 2)


@ON_SQLITE
def test_an_identifier_is_used_once_by_whom_it_was_given_to(
    place: RegisterOffice, officer: Officer, colleague: Officer
) -> None:
    """One of a colleague, one that was used and one that lapsed register nothing, nor what stands beside them."""
    used = officer.note(b"one")
    officer.register(used)
    lapsing = officer.note(b"three")
    place.wait(LIMITS.reserved_for)
    of_colleague, good = colleague.note(b"two"), officer.note(b"four")

    for bad in (of_colleague, replace(good, identifier=used.identifier), lapsing):
        entries = [bad] if bad.digest == good.digest else [good, bad]
        with pytest.raises(IdentifierUnreserved) as refused:
            officer.register(*entries)
        assert refused.value.fields["identifiers"] == [bad.identifier]
    assert place.rows()[0] == 1
    assert officer.register(good)


@ON_SQLITE
def test_a_marked_document_is_registered_under_its_mark_alone(
    place: RegisterOffice, officer: Officer, neighbour: Officer
) -> None:
    """Who comes by a marked file first cannot take it from whom its identifier was given to, nor mix two up himself."""
    own, other = officer.reserve(2)
    content = marked(plain_pdf(["a permit"]), own, "https://city.example", corner="bottom-left")
    note = officer.note(content)
    for who, identifier in ((neighbour, neighbour.reserve(1)[0]), (officer, other)):
        with pytest.raises(IdentifierUnreserved) as refused:
            who.register(replace(note, identifier=identifier))
        assert refused.value.fields == {"digest": note.digest}
    (found,) = officer.register(replace(note, identifier=own))
    assert found.record.identifier == own


@ON_SQLITE
def test_a_file_that_goes_meanwhile_is_not_registered(place: RegisterOffice, officer: Officer) -> None:
    """Between the judgement of a file and its row it is looked for once more."""
    note = officer.note(b"one")

    def check(*given: Any) -> None:
        place.clock.advance(timedelta(seconds=1))
        assert officer.desk.files.forget(note.digest, place.clock.now())

    with pytest.raises(FileNotDelivered):
        officer.send(officer.paper(note), replace(officer.desk, check=check))
    assert place.rows() == (0, 0, 1)


def meeting(desk: RegisterDesk) -> RegisterDesk:
    """The desk at which two registrations look at their file at the same moment, each outside of its transaction."""
    together = Barrier(2, timeout=30)

    def check(*given: Any) -> None:
        desk.check(*given)
        together.wait()

    return replace(desk, check=check)


def test_of_two_at_once_one_registers(place: RegisterOffice, officer: Officer, colleague: Officer) -> None:
    """One digest under two identifiers, one identifier for two digests, one paper twice: never more than one row, and
    who comes second is answered as if he had come a day later."""
    desk = meeting(officer.desk)
    one, two = officer.paper(officer.note(b"one")), colleague.paper(colleague.note(b"one"))
    digest = at_once(lambda: officer.send(one, desk), lambda: colleague.send(two, desk))

    three = officer.note(b"three")
    officer.desk.files.receive(b"four")
    four = entry_of(b"four", three.identifier, officer.at, kind="note", media_type="text/plain")
    third, fourth = officer.paper(three), officer.paper(four)
    identifier = at_once(lambda: officer.send(third, desk), lambda: officer.send(fourth, desk))

    five = officer.paper(officer.note(b"five"))
    repeated = at_once(lambda: officer.send(five, desk), lambda: officer.send(five, desk))

    assert [each for each in digest if isinstance(each, str)] == [DocumentRegistered.code]
    assert [each for each in identifier if isinstance(each, str)] == [IdentifierUnreserved.code]
    assert repeated[0] == repeated[1]
    assert place.rows()[:2] == (3, 3)
    assert len(place.facts(DOCUMENT_REGISTERED.name)) == 3


@ON_SQLITE
def test_an_officer_acts_for_the_organisation_in_his_certificate(
    place: RegisterOffice, officer: Officer, neighbour: Officer
) -> None:
    """Neither another unit, nor a person of that name, nor a party that is not there, nor without an organisation."""
    strangers = [
        replace(officer, unit=PARKS),
        replace(neighbour, unit="IR-9"),
        replace(officer, unit="IRO-0"),
        replace(officer, signer=place.certified("IR-41", None)),
        place.officer("IR-44", ROADS, NAMES[ROADS] + "ی"),
    ]
    note = officer.note(b"one")
    for each in strangers:
        with pytest.raises(UnitForbidden):
            each.register(note)
    with pytest.raises(Forbidden):
        replace(officer, roles=frozenset({"registrar"})).register(note)
    with pytest.raises(WrongSigner):
        replace(officer, signer=neighbour.signer).register(note)
    assert place.rows() == (0, 0, 1)


@ON_SQLITE
def test_an_officer_whose_certificate_was_revoked_registers_nothing(
    place: RegisterOffice, officer: Officer
) -> None:
    """Nor with a paper that he signed before; what he registered until then stays as it is."""
    before, later = officer.note(b"one"), officer.note(b"two")
    paper = officer.paper(later)
    officer.register(before)
    fingerprint = fingerprint_of(officer.signer.certificate)
    revoke_certificate(fingerprint, "affiliationChanged", actor=REGISTRAR, **place.tools)
    place.wait(timedelta(minutes=1))

    with pytest.raises(CertificateRevoked):
        officer.send(paper)
    with read_only(place.office.sessions) as session:
        found = by_digest(session, before.digest)
        assert found is not None
        assert found.state == "valid"
        assert by_digest(session, later.digest) is None


@ON_SQLITE
def test_no_document_is_issued_tomorrow(place: RegisterOffice, officer: Officer) -> None:
    """The day is that of Tehran, and the officer's clock may be five minutes ahead of the server's."""
    midnight = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)
    place.clock.advance(midnight - timedelta(minutes=6) - place.clock.now())
    note = officer.note(b"one", issued_on="2026-11-25")

    with pytest.raises(MalformedInput):
        officer.register(note)
    place.clock.advance(timedelta(minutes=1))
    assert officer.register(note)


@ON_SQLITE
def test_a_file_is_delivered_first_and_held_against_the_rule(place: RegisterOffice, officer: Officer) -> None:
    """What is not here, is longer than said, of no known kind, unsigned or signed and then changed is not registered;
    what is signed is, with its signers, and a withheld document has no digest in the log."""
    note = officer.note(b"one")
    signed = report_file(officer.signer, officer.at, b"what was done")
    broken = signed.replace(b"what was done", b"what was gone")
    report = officer.note(signed, kind="report", disclosure="withheld")
    refusals: list[tuple[Entry, type[DomainError]]] = [
        (replace(note, digest="ab" * 32), FileNotDelivered),
        (replace(note, size=4), MalformedInput),
        (replace(note, kind="poem"), KindUnknown),
        (replace(note, kind="report"), RuleBroken),
        (officer.note(broken, kind="report"), RuleBroken),
        (officer.note(bytes(LIMITS.document_bytes + 1)), LimitExceeded),
    ]
    for entry, expected in refusals:
        with pytest.raises(expected):
            officer.register(entry)
    assert place.rows()[:2] == (0, 0)

    (found,) = officer.register(report)
    assert [(each.name, each.organization, each.indication) for each in found.signatories] == [
        ("زهرا مرادی", NAMES[ROADS], "TOTAL-PASSED")
    ]
    (event,) = place.facts(DOCUMENT_REGISTERED.name)
    assert "digest" not in event["data"]
    assert event["data"]["commitment"] == found.record.commitment(bytes.fromhex(found.salt))


@ON_SQLITE
def test_identifiers_are_given_within_limits(
    place: RegisterOffice, officer: Officer, colleague: Officer
) -> None:
    """Neither too many at once nor too many that wait; each officer has his own room, and what lapsed makes room."""
    for count in (0, 1_001):
        with pytest.raises(LimitExceeded):
            officer.reserve(count)
    assert len(set(officer.reserve(LIMITS.reserved))) == LIMITS.reserved
    with pytest.raises(LimitExceeded):
        officer.reserve(1)
    assert colleague.reserve(1)
    place.clock.advance(LIMITS.reserved_for)
    assert officer.reserve(1)
