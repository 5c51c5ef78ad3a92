"""The OCSP responder: what it says of each state, how soon, what it keeps, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509 import ocsp
from sqlalchemy import update

from kernel.clock import Clock
from kernel.database import make_engine, make_sessions
from kernel.errors import DatabaseUnavailable, Unavailable
from pki import asn1
from pki.asn1.ocsp import OcspRequest, RequestSignature
from pki.ocsp import LATER, MALFORMED, NOT_OURS, OcspResponder
from pki.ocsp_request import MAX_REQUEST_BYTES, make_question
from pki.ocsp_verification import verify_answer
from pki.orm import CertificateRow
from pki.registry import serial_text
from tests.support.authority import make_authority
from tests.support.databases import Databases
from tests.support.ocsp import (
    Seconds,
    ask,
    make_ocsp_office,
    make_responder,
    nonce_of,
    pair,
    raw_question,
    renew,
    revoke,
    strange,
)
from tests.support.registry import Office, make_office

HALF_LIFE = timedelta(minutes=30)


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    made = make_ocsp_office(tmp_path, databases.new())
    yield made
    made.close()


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Office]:
    """For what no database decides."""
    made = make_ocsp_office(tmp_path)
    yield made
    made.close()


def set_state(office: Office, name: str, state: str, reason: str | None = None) -> None:
    with office.unit_of_work() as uow:
        row = uow.session.get_one(CertificateRow, serial_text(pair(office, name)[0].serial_number))
        row.state, row.reason = state, reason
        row.revoked_at = None if state == "issued" else "2026-11-24T07:59:00.000000Z"
        uow.session.commit()


def test_each_state_has_its_status(office: Office) -> None:
    """Issued is good; on hold is revoked for the time being, and good again when lifted; revoked tells why."""
    timer = Seconds()
    responder = make_responder(office, timer)
    assert ask(responder, office, "tsa").kind == "good"

    set_state(office, "tsa", "suspended")
    timer.pass_look()
    held = ask(responder, office, "tsa")
    set_state(office, "tsa", "issued")
    timer.pass_look()
    lifted = ask(responder, office, "tsa")
    revoke(office, "tsa", "keyCompromise")
    timer.pass_look()
    revoked = ask(responder, office, "tsa", digest="sha1")

    assert (held.kind, held.reason) == ("revoked", "certificateHold")
    assert held.revoked_at == datetime.fromisoformat("2026-11-24T07:59:00Z")
    assert lifted.kind == "good"
    assert (revoked.kind, revoked.reason) == ("revoked", "keyCompromise")


@pytest.mark.parametrize(
    ("reason", "told"), [("keyCompromise", "cACompromise"), ("superseded", "superseded")]
)
def test_below_a_revoked_authority_nothing_is_good(lone: Office, reason: str, told: str) -> None:
    """RFC 6960 §2.7: kept answers go with the authority's row; what was revoked before keeps its own reason."""
    timer = Seconds()
    responder = make_responder(lone, timer)
    revoke(lone, "receipt", "cessationOfOperation")
    assert ask(responder, lone, "tsa").kind == "good"
    set_state(lone, "intermediate", "revoked", reason)
    timer.pass_look()

    below, own = ask(responder, lone, "tsa"), ask(responder, lone, "receipt")
    assert (below.kind, below.reason) == ("revoked", told)
    assert below.revoked_at == datetime.fromisoformat("2026-11-24T07:59:00Z")
    assert own.reason == "cessationOfOperation"
    assert ask(responder, lone, "tsa", nonce=b"n" * 32) == below


def test_what_was_never_issued_is_unknown(office: Office) -> None:
    """A serial number that is only intended, abandoned, or not ours at all is unknown, and nobody keeps that."""
    responder = make_responder(office, Seconds())
    for state in ("intended", "abandoned"):
        set_state(office, "receipt", state)
        assert ask(responder, office, "receipt").kind == "unknown"
    set_state(office, "receipt", "issued")

    assert ask(responder, office, "receipt").kind == "good"
    assert responder.kept == 1


def test_every_process_follows_one_database(office: Office) -> None:
    """Two responders, each with its own connections, tell a revocation after one look."""
    bind = office.sessions.kw["bind"]
    elsewhere = make_engine(bind.url.render_as_string(hide_password=False))
    timer = Seconds()
    here = make_responder(office, timer)
    there = OcspResponder(office.authority, make_sessions(elsewhere), office.clock, timer=timer)
    both = (here, there)
    try:
        assert [ask(each, office, name).kind for each in both for name in ("tsa", "receipt")] == ["good"] * 4
        revoke(office, "tsa")
        assert [ask(each, office, "tsa").kind for each in both] == ["good"] * 2
        timer.pass_look()
        assert [ask(each, office, "tsa").kind for each in both] == ["revoked"] * 2
        assert [each.kept for each in both] == [2, 2]

        with office.unit_of_work() as uow:
            values = {"state": "suspended", "revoked_at": "2026-11-24T07:59:00.000000Z"}
            uow.session.execute(
                update(CertificateRow).where(CertificateRow.profile == "service-seal").values(values)
            )
            uow.session.commit()
        timer.pass_look()
        assert [ask(each, office, "receipt").kind for each in both] == ["revoked"] * 2
    finally:
        elsewhere.dispose()


def test_an_answer_that_was_overtaken_is_not_kept(lone: Office) -> None:
    """A revocation that is taken in while an older status is being signed is not hidden by that answer."""
    timer = Seconds()

    class Overtaken(Clock):
        """The first question of the time is the moment of signing."""

        done = False

        def now(self) -> datetime:
            if not self.done:
                self.done = True
                revoke(lone, "tsa")
                timer.pass_look()
                responder.look()
            return lone.clock.now()

    responder = make_responder(lone, timer, clock=Overtaken())
    asked = make_question([pair(lone, "tsa")])
    first = verify_answer(responder.respond(asked).body, *pair(lone, "tsa"), at=lone.clock.now())

    assert (first.kind, responder.kept) == ("good", 0)
    assert ask(responder, lone, "tsa").kind == "revoked"


def test_answers_are_signed_once_and_renewed_in_time(lone: Office) -> None:
    """Kept byte for byte until half of its life, then renewed if anybody asked for it, else forgotten."""
    timer = Seconds()
    responder = make_responder(lone, timer)
    wanted, unwanted = make_question([pair(lone, "tsa")]), make_question([pair(lone, "receipt")])
    first = responder.respond(wanted)
    responder.respond(unwanted)
    assert responder.at_once(wanted) is first

    lone.clock.advance(HALF_LIFE)
    timer.pass_look()
    assert responder.respond(wanted) is first
    assert (responder.renew(), responder.renew(), responder.kept) == (1, 0, 1)
    renewed = responder.at_once(wanted)

    assert renewed is not None
    assert renewed.period is not None
    assert renewed.period.this_update == lone.clock.now()
    assert responder.at_once(unwanted) is None


def test_no_answer_outlives_its_time(lone: Office) -> None:
    """After nextUpdate, and when the clock has run back before thisUpdate, a new one is signed."""
    responder = make_responder(lone, Seconds())
    before = ask(responder, lone, "tsa")
    lone.clock.advance(2 * HALF_LIFE)
    after = ask(responder, lone, "tsa")
    lone.clock.advance(-HALF_LIFE)
    back = ask(responder, lone, "tsa")

    assert [each.this_update - before.this_update for each in (after, back)] == [2 * HALF_LIFE, HALF_LIFE]


def test_what_is_kept_has_a_limit(lone: Office) -> None:
    """The longest signed answers go when there are too many; each digest and each certificate is one answer."""
    responder = make_responder(lone, Seconds(), max_answers=3)
    for name in ("tsa", "receipt"):
        for digest in ("sha1", "sha256", "sha384", "sha512"):
            assert ask(responder, lone, name, digest=digest).kind == "good"

    assert responder.kept == 3


def test_one_request_about_several_issuers(office: Office) -> None:
    """Certificates of root and intermediate in one answer, which holds for each of them, with its nonce."""
    responder = make_responder(office, Seconds())
    revoke(office, "receipt")
    names = ("intermediate", "tsa", "receipt")
    body = responder.respond(make_question([pair(office, name) for name in names], nonce=b"n" * 32)).body

    told = [
        verify_answer(body, *pair(office, name), at=office.clock.now(), nonce=b"n" * 32) for name in names
    ]

    assert [each.kind for each in told] == ["good", "good", "revoked"]
    assert [each.signer.issuer for each in told] == [pair(office, name)[1].subject for name in names]


def test_foreign_issuers(lone: Office) -> None:
    """Only foreign certificates: unauthorized; a foreign one among ours is unknown."""
    responder = make_responder(lone, Seconds())
    stranger = make_authority()
    foreign = (stranger.tsa_signer.certificate, stranger.intermediate)

    assert responder.respond(make_question([foreign])) is NOT_OURS
    mixed = responder.respond(make_question([foreign, pair(lone, "tsa")])).body
    told = list(ocsp.load_der_ocsp_response(mixed).responses)
    assert [each.certificate_status.name for each in told] == ["UNKNOWN", "GOOD"]


def test_bad_requests_are_malformed(lone: Office) -> None:
    """Each rule of a request is enforced, and what may be there is not refused."""
    responder = make_responder(lone, Seconds())
    whole = raw_question(lone)
    assert responder.respond(whole) is responder.at_once(whole)
    nonce = nonce_of(asn1.encode(b"n" * 16))
    name = asn1.tlv(b"\x82\x01a")
    bad = {
        "empty": b"",
        "garbage": b"garbage",
        "trailing": whole + b"\0",
        "cut": whole[:-1],
        "nested": b"\x30\x82\x3f\xf0" + b"\x30\x80" * 8000,
        "no certificate": raw_question(lone, count=0),
        "21 certificates": raw_question(lone, count=21),
        "oversized": b"\0" * (MAX_REQUEST_BYTES + 1),
        "version 2": raw_question(lone, version=1),
        "two requestors": raw_question(lone, requestor=[name, name]),
        "twice": raw_question(lone, extensions=[nonce, nonce]),
        "no extension": raw_question(lone, extensions=[]),
        "17 extensions": raw_question(lone, extensions=[strange(critical=False)] * 17),
        "critical": raw_question(lone, extensions=[strange(critical=True)]),
        "critical inside": raw_question(lone, single=[strange(critical=True)]),
        "long nonce": raw_question(lone, extensions=[nonce_of(asn1.encode(b"n" * 129))]),
        "empty nonce": raw_question(lone, extensions=[nonce_of(asn1.encode(b""))]),
        "bare nonce": raw_question(lone, extensions=[nonce_of(b"n" * 16)]),
        "long form": whole[:1] + b"\x81" + whole[1:],
    }
    signature = RequestSignature(
        algorithm=asn1.tlv(b"\x30\x00"), signature=asn1.BitString(b"x", 0), certificates=None
    )
    signed = OcspRequest(tbs=asn1.decode(OcspRequest, whole).tbs, signature=signature)
    fine = {
        "20 certificates": raw_question(lone, count=20),
        "strange": raw_question(lone, extensions=[strange(critical=False)], single=[strange(critical=False)]),
        "requestor": raw_question(lone, requestor=[name]),
        "signed": asn1.encode(signed),
        **{f"nonce {n}": raw_question(lone, extensions=[nonce_of(asn1.encode(b"n" * n))]) for n in (1, 128)},
    }

    assert [what for what, request in bad.items() if responder.respond(request) is not MALFORMED] == []
    assert [what for what, request in bad.items() if responder.at_once(request) is not MALFORMED] == []
    for request in fine.values():
        assert (
            ocsp.load_der_ocsp_response(responder.respond(request).body).response_status.name == "SUCCESSFUL"
        )


def test_trouble_inside_is_try_later(tmp_path: Path) -> None:
    """Without a certificate for the responder, or without a database, nothing is said of any certificate."""
    office = make_office(tmp_path)
    timer = Seconds()
    responder = make_responder(office, timer)
    asked = make_question([pair(office, "tsa")])
    assert responder.respond(asked) is LATER

    (tmp_path / "other").mkdir()
    ready = make_ocsp_office(tmp_path / "other")
    (tmp_path / "nowhere").mkdir()
    broken = make_engine(f"sqlite:///{tmp_path / 'nowhere'}")
    lost = OcspResponder(ready.authority, make_sessions(broken), ready.clock, timer=timer)
    assert lost.respond(make_question([pair(ready, "tsa")])) is LATER
    assert lost.respond(make_question([pair(ready, "tsa")])) is LATER
    renew(office)
    assert responder.respond(asked) is LATER
    timer.pass_look()
    with pytest.raises(Unavailable, match="a moment ago"):
        failed_twice(lost)
    assert ask(responder, office, "tsa").kind == "unknown"
    for each in (office, ready):
        each.close()
    broken.dispose()


def failed_twice(responder: OcspResponder) -> None:
    """The first look asks the database and fails, the second fails without asking it."""
    with pytest.raises(DatabaseUnavailable):
        responder.look()
    responder.look()
