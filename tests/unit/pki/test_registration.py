"""Registration: what one registrar enters another decides on, with papers that they sign; keys have one holder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.canonical import parse_canonical
from kernel.database import read_only
from kernel.errors import Forbidden, FourEyes, LimitExceeded, MalformedInput, NotFound, WrongState
from pki import registration
from pki.authority import make_request
from pki.errors import KeyReused, RequestInvalid
from pki.names import Subject
from pki.papers import APPLICATION, DECISION
from pki.registration import (
    EnterRequest,
    applications_in,
    enter_request,
    find_application,
    find_request,
    hand_over,
    requests_in,
)
from pki.revocation import revoke_certificate
from signing.errors import WrongSigner
from tests.support.authority import make_key
from tests.support.databases import Databases
from tests.support.registry import REGISTRAR, SECOND, STRANGER, Office, Person, make_office


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    made = make_office(tmp_path, databases.new())
    assert made.signers
    yield made
    made.close()


def types_of(office: Office, request: str) -> list[str]:
    """The facts about a request, oldest first."""
    return [each["type"].split(".")[3] for each in office.events() if each["subject"] == request]


def state_of(office: Office, request: str) -> str:
    with read_only(office.sessions) as session:
        return find_request(session, request).state


def test_every_step_is_an_event_that_names_who_and_what(office: Office) -> None:
    """entered, applied, approved, issued, handed over: each with actor and digests, none with identity papers."""
    request = office.request()
    application = office.apply([request])
    office.decide(application.digest)
    issued = office.issue(request.id)
    hand_over(request.id, actor=REGISTRAR, unit_of_work=office.unit_of_work, clock=office.clock)

    assert state_of(office, request.id) == "handed-over"
    assert types_of(office, request.id) == [
        "certificate-requested",
        "certificate-applied",
        "certificate-approved",
        "certificate-handed-over",
    ]
    facts = {each["type"].split(".")[3]: each["data"] for each in office.events()[-5:]}
    assert facts["certificate-applied"]["digest"] == application.digest
    assert facts["certificate-applied"]["csr"] == request.digest
    assert facts["certificate-approved"]["application"] == application.digest
    assert (facts["certificate-applied"]["by"], facts["certificate-approved"]["by"]) == (
        REGISTRAR.party,
        SECOND.party,
    )
    assert facts["certificate-issued"]["request"] == request.id
    assert facts["certificate-handed-over"]["fingerprint"] == issued.fingerprint
    assert "passport" not in str(office.events())


def test_the_signed_papers_are_kept(office: Office) -> None:
    """Both papers are there as they were signed, so whoever answers for a certificate is shown later too."""
    digest = office.apply([office.request()]).digest
    office.decide(digest)

    with read_only(office.sessions) as session:
        kept = find_application(session, digest)
    assert kept.decision is not None
    assert parse_canonical(kept.paper.document)["evidence"][0]["kind"] == "passport"
    for paper, type_, party in (
        (kept.paper, APPLICATION, REGISTRAR.party),
        (kept.decision, DECISION, SECOND.party),
    ):
        assert office.papers.read(paper, type_=type_, party=party).content["type"] == type_


def test_nobody_approves_what_he_entered(office: Office) -> None:
    """Four eyes: neither who entered it nor its subject decides; another registrar does."""
    request = office.request()
    digest = office.apply([request]).digest
    own = office.apply([office.request()], SECOND.party).digest

    for application, actor in ((digest, REGISTRAR), (own, SECOND)):
        with pytest.raises(FourEyes) as refused:
            office.decide(application, actor)
        assert (refused.value.code, refused.value.article) == ("four-eyes", None)
    assert state_of(office, request.id) == "applied"
    assert office.decide(digest).state == "approved"


def test_a_rejection_says_why_and_is_final(office: Office) -> None:
    """The applicant reads the reason; the log holds its digest only; nothing is issued."""
    request = office.request()
    digest = office.apply([request]).digest
    office.decide(digest, reason="کارت خوانا نیست")

    with read_only(office.sessions) as session:
        assert find_request(session, request.id).reason == "کارت خوانا نیست"
    assert types_of(office, request.id)[-1] == "certificate-rejected"
    assert "خوانا" not in str(office.events())
    for again in (
        lambda: office.issue(request.id),
        lambda: office.decide(digest),
        lambda: office.apply([request], salt="5b" * 32),
    ):
        with pytest.raises(WrongState):
            again()


def test_a_paper_counts_once_however_often_it_is_sent(office: Office) -> None:
    """A repeated application or decision answers as the first time and announces nothing anew."""
    request = office.request()
    first, second = office.apply([request]), office.apply([request])
    assert first == second
    assert office.decide(first.digest).state == "approved"
    count = len(office.events())
    assert office.decide(first.digest).state == "approved"
    assert len(office.events()) == count


def test_only_registrars_register(office: Office) -> None:
    """A bidder enters and decides nothing, and no registrar signs for another."""
    request = office.request()
    office.signers[STRANGER.party] = office.signers[REGISTRAR.party]
    for actor in (STRANGER, Person(STRANGER.party, frozenset())):
        with pytest.raises(Forbidden):
            office.apply([request], actor=actor)
    office.signers[SECOND.party] = office.signers[REGISTRAR.party]
    with pytest.raises(WrongSigner):
        office.apply([request], actor=SECOND)


def test_holder_or_registrar_record_the_hand_over_once(office: Office) -> None:
    """Others do not; and there is nothing to hand over before it is issued, or after it was."""
    request = office.approved("IR-7")
    holder = Person("IR-7", frozenset())

    def record(actor: Person) -> None:
        hand_over(request, actor=actor, unit_of_work=office.unit_of_work, clock=office.clock)

    with pytest.raises(WrongState):
        record(holder)
    office.issue(request)
    with pytest.raises(Forbidden):
        record(STRANGER)
    record(holder)
    with pytest.raises(WrongState):
        record(holder)


def test_a_key_has_one_holder_and_one_use(office: Office) -> None:
    """Certified once, a key is refused for another party, another profile, and a second first time."""
    key = make_key()
    office.certify("IR-1", key=key)
    for party, profile in (
        ("IR-2", "person-signing"),
        ("IR-1", "organisation-seal"),
        ("IR-1", "person-signing"),
    ):
        with pytest.raises(KeyReused):
            office.apply([office.request(profile, key)], party)
    twice = make_key()
    with pytest.raises(KeyReused):
        office.apply([office.request("person-signing", twice), office.request("organisation-seal", twice)])


def test_of_two_applications_for_a_key_one_is_issued(office: Office) -> None:
    """Both were approved while nothing was certified; the second finds the first's certificate."""
    key = make_key()
    first, second = office.approved("IR-1", key=key), office.approved("IR-2", key=key)
    office.issue(first)
    with pytest.raises(KeyReused):
        office.issue(second)


def test_a_compromised_key_is_refused_to_anybody(office: Office) -> None:
    """Its holder has it certified no more either."""
    key = make_key()
    issued = office.certify("IR-1", key=key)
    revoke_certificate(issued.fingerprint, "keyCompromise", actor=REGISTRAR, **office.issuing)
    with pytest.raises(KeyReused):
        office.apply([office.request(key=key)], "IR-1")


HOSTILE_NAMES = ("", " x", "a" * 65, "x\x00y", "x\u202ey", "line\nbreak")


BAD_CHANGES: tuple[dict[str, Any], ...] = (
    *({"name": name} for name in HOSTILE_NAMES),
    {"party": "IR 1"},
    {"party": "../../etc"},
    {"name": 7},
    {"organization": "x\u2066y"},
    {"evidence": []},
    {"evidence": [{}]},
    {"requests": [{"request": "x", "csr": "00" * 32}]},
    {"salt": "short"},
    {"more": 1},
    {"type": "mohr/certificate-decision/v1"},
)


def test_bad_applications(office: Office) -> None:
    """Whatever is not exactly an application, hostile names among it, is refused, and its request waits as before."""
    request = office.request()
    for changes in BAD_CHANGES:
        with pytest.raises(MalformedInput):
            office.apply([request], **changes)
    assert state_of(office, request.id) == "entered"


def test_oversized_evidence_and_other_requests_are_refused(office: Office) -> None:
    """Too many papers, a scan in place of its digest, a future sight, an unknown request, another CSR."""
    request, other = office.request(), office.request()
    good = {"kind": "passport", "description": "P-1", "digest": "ab" * 32, "seen_at": "2026-11-24T07:00:00Z"}
    for evidence, refusal in (
        ([good] * 17, LimitExceeded),
        ([{**good, "description": "x" * 201}], MalformedInput),
        ([{**good, "digest": "ab" * 40_000}], LimitExceeded),
        ([{**good, "seen_at": "2026-11-25T07:00:00Z"}], MalformedInput),
    ):
        with pytest.raises(refusal):
            office.apply([request], evidence=evidence)
    unknown = {"request": "0193597e-7b00-7000-8000-000000000000", "csr": request.digest}
    with pytest.raises(NotFound):
        office.apply([request], requests=[unknown])
    with pytest.raises(MalformedInput):
        office.apply([request], requests=[{"request": request.id, "csr": other.digest}])
    with pytest.raises(NotFound):
        office.decide("00" * 32)


def test_entered_twice(office: Office) -> None:
    """The same request again, even in another encoding, is the one that is there."""
    csr = make_request(make_key(), Subject("Wish", "IR-0"))
    pem = x509.load_der_x509_csr(csr).public_bytes(Encoding.PEM)
    entered = [
        enter_request(
            EnterRequest("person-signing", each), unit_of_work=office.unit_of_work, clock=office.clock
        )
        for each in (csr, pem)
    ]
    assert entered[0] == entered[1]


def test_profiles_from_outside(office: Office) -> None:
    """Nobody can ask for an authority, a service or a time stamper; unknown profiles are malformed."""
    for profile in ("root", "intermediate", "service-seal", "tsa"):
        with pytest.raises(Forbidden):
            office.request(profile)
    with pytest.raises(MalformedInput):
        office.request("nonsense")
    with pytest.raises(RequestInvalid):
        office.request("member-encryption", make_key("RSA"))


def test_limit_of_open_requests(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of waiting requests no more are taken, until a registrar has seen to some."""
    monkeypatch.setattr(registration, "MAX_OPEN_REQUESTS", 2)
    first, _ = office.request(), office.request()
    with pytest.raises(LimitExceeded):
        office.request()
    office.apply([first])
    assert office.request()


def test_strangers_cannot_close_the_office(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the room full a registrar enters requests all the same, and what waited for two weeks makes room."""
    monkeypatch.setattr(registration, "MAX_OPEN_REQUESTS", 2)
    junk, _ = office.request(), office.request()
    csr = make_request(make_key(), Subject("Visitor", "IR-0"))
    use: dict[str, Any] = {"unit_of_work": office.unit_of_work, "clock": office.clock}
    with pytest.raises(LimitExceeded):
        enter_request(EnterRequest("person-signing", csr), actor=STRANGER, **use)
    visitor = enter_request(EnterRequest("person-signing", csr), actor=REGISTRAR, **use)
    assert office.apply([visitor]).state == "applied"
    office.clock.advance(registration.TAKEN_UP_WITHIN + timedelta(seconds=1))
    assert office.request()
    assert types_of(office, junk.id)[-1] == "certificate-request-lapsed"


def test_what_waits_is_listed(office: Office) -> None:
    """Requests and applications by state, oldest first."""
    first, second = office.request(), office.request()
    digest = office.apply([first]).digest
    with read_only(office.sessions) as session:
        assert [each.id for each in requests_in(session, "entered")] == [second.id]
        assert [each.digest for each in applications_in(session, "applied")] == [digest]
