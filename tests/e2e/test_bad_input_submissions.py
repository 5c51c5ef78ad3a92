"""A bidder's way in: whatever is not in order is refused whole, with evidence where the sender earned it."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.demo.cast import SEATS, Cast
from app.demo.stage import Stage
from client.bidder import Submitted
from client.enrolment import collect_certificates, request_certificates
from client.folder import PartyFolder
from client.login import open_api
from client.member import Member
from client.session import PartySession
from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc
from pki.algorithms import fingerprint_of
from sealing.manifest import seal_manifest
from signing.cms import sign_detached
from tests.e2e import scenes
from tests.e2e.refusals import (
    FORM,
    FORM_OR_SIGNATURE,
    Caller,
    Paper,
    all_refused,
    honoured,
    malformed,
    one_refusal_act,
    refused,
    tampered,
    unchanged,
)
from tests.e2e.sealing_by_hand import HandMade, hand_made, sealed, stamp
from tests.support.authority import make_authority

NAME, RIVAL = "بتن‌ریزان آزمون", "رقیب آزمون"


@pytest.fixture(scope="module")
def bidder(cast: Cast) -> PartySession:
    return cast.organisation(NAME, "bidder")


@pytest.fixture(scope="module")
def rival(cast: Cast) -> PartySession:
    return cast.organisation(RIVAL, "bidder")


@pytest.fixture(scope="module")
def caller(bidder: PartySession) -> Caller:
    return Caller.of(bidder)


@pytest.fixture(scope="module")
def tender(cast: Cast) -> str:
    """A call that takes bids."""
    for position in range(len(SEATS)):
        cast.member(position)
    return scenes.published(cast)


@pytest.fixture(scope="module")
def other_tender(cast: Cast, tender: str) -> str:
    return scenes.published(cast)


@pytest.fixture(scope="module")
def bid(cast: Cast, bidder: PartySession, tender: str) -> HandMade:
    """A bid in good order that is never sent as it is."""
    return hand_made(cast, bidder, tender)


@pytest.fixture(scope="module")
def standing(cast: Cast, rival: PartySession, tender: str) -> Submitted:
    """The rival's complete submission."""
    return scenes.submitted(cast, tender, RIVAL)


@pytest.fixture
def started(cast: Cast, bidder: PartySession, caller: Caller, other_tender: str) -> tuple[str, HandMade]:
    """A submission whose manifest was received and whose blobs are all missing."""
    number = caller.get(f"/tenders/{other_tender}/submissions/next?lot=1").json()["submission_number"]
    made = hand_made(cast, bidder, other_tender, submission_number=number)
    answer = caller.post(f"/tenders/{other_tender}/submissions", made.body)
    assert answer.status_code == 201
    return answer.json()["id"], made


def manifest_of(made: HandMade) -> Paper:
    return Paper(parse_canonical(made.manifest))


def test_malformed_manifests(stage: Stage, tender: str, caller: Caller, bid: HandMade) -> None:
    """A well sealed manifest with a missing or mistyped field is malformed and never a failure."""
    cases = [
        (name, bid.with_manifest(canonical_bytes(each.value)).body)
        for name, each in malformed(manifest_of(bid))
    ]
    for digest in ("X" * 64, "0" * 63, "0" * 65):
        altered = manifest_of(bid).but(notice_digest=digest)
        cases.append((digest, bid.with_manifest(canonical_bytes(altered.value)).body))
    for number in (0, -1, 10_001, 2**53 - 1):
        altered = manifest_of(bid).but(submission_number=number)
        cases.append((str(number), bid.with_manifest(canonical_bytes(altered.value)).body))
    with unchanged(stage.folder):
        all_refused(
            iter(cases),
            lambda body: caller.post(f"/tenders/{tender}/submissions", body),
            {422: ("malformed-input", "envelope-invalid")},
        )


def test_seals_that_do_not_hold(
    stage: Stage, cast: Cast, tender: str, caller: Caller, bid: HandMade, rival: PartySession
) -> None:
    """Cut, not stamped, stamped by a stranger, of another bidder, of a stranger: nothing is received."""
    bidder, now = bid.session, cast.clock.now()
    strangers = make_authority(clock=cast.clock)
    plain = sign_detached(bid.manifest, bidder.signer, at=now)
    stranger = strangers.organisation(bidder.party)
    foreign_stamp = seal_manifest(bid.manifest, bidder.signer, at=now, timestamp=strangers.stamp)
    foreign_seal = seal_manifest(bid.manifest, stranger, at=now, timestamp=lambda value: stamp(bidder, value))
    old_stamp = seal_manifest(bid.manifest, bidder.signer, at=now, timestamp=lambda _: stamp(bidder, b"old"))
    expected = [
        (plain, "signature-invalid"),
        (foreign_stamp, "certificate-untrusted"),
        (foreign_seal, "certificate-untrusted"),
        (old_stamp, "timestamp-invalid"),
        (sealed(bid.manifest, rival), "wrong-signer"),
        (sealed(b"{}", bidder), "signature-invalid"),
    ]
    with unchanged(stage.folder):
        found = [
            (caller.post(f"/tenders/{tender}/submissions", replace(bid, seal=seal).body), code)
            for seal, code in expected
        ]
        assert [answer.json().get("code") for answer, _ in found] == [code for _, code in found]
        for answer, code in found:
            refused(answer, 422, code)
        cases = tampered({"document": to_base64(bid.manifest), "signature": to_base64(bid.seal)})
        names = {"document": "manifest", "signature": "seal"}
        all_refused(
            (
                (name, {**{names.get(key, key): item for key, item in wire.items()}, "headers": headers})
                for name, wire in cases
                for headers in [bid.body["headers"]]
            ),
            lambda body: caller.post(f"/tenders/{tender}/submissions", body),
            {422: ("malformed-input", "signature-invalid", "timestamp-invalid"), 413: ("limit-exceeded",)},
        )


def test_headers_that_are_not_bound(stage: Stage, tender: str, caller: Caller, bid: HandMade) -> None:
    """Headers that the sealed manifest does not bind are refused with a receipt as evidence, recorded once."""
    headers = dict(bid.headers)
    wrong = [
        {"A": headers["B"], "B": headers["A"], "C": headers["C"]},
        {**headers, "C": headers["C"] + b" "},
        {"A": headers["A"], "B": headers["B"]},
        {},
        {"A": headers["A"], "B": headers["B"], "D": headers["C"]},
    ]
    for number, each in enumerate(wrong):
        with unchanged(stage.folder) if number else one_refusal_act(stage.folder):
            answer = caller.post(f"/tenders/{tender}/submissions", replace(bid, headers=each).body)
        problem = refused(answer, 422, "headers-mismatch")
        honoured(problem, bid.session, manifest_of(bid).value, bid.seal_digest)


def test_bound_headers_that_are_no_headers(stage: Stage, tender: str, caller: Caller, bid: HandMade) -> None:
    """A header that the manifest binds and that is not in its one form is refused by its form."""
    good = Paper(parse_canonical(bid.headers["A"]))
    altered = [(name, canonical_bytes(each.value)) for name, each in malformed(good)]
    altered += [("no JSON", b"x"), ("empty", b""), ("no object", b"[]"), ("spaces", b'{ "type": 1}')]
    cases = []
    for name, header in altered:
        headers = {**bid.headers, "A": header}
        digests = {kind: sha256_hex(each) for kind, each in headers.items()}
        manifest = canonical_bytes(manifest_of(bid).but(headers=digests).value)
        cases.append((name, replace(bid.with_manifest(manifest), headers=headers).body))
    with unchanged(stage.folder):
        all_refused(
            iter(cases),
            lambda body: caller.post(f"/tenders/{tender}/submissions", body),
            {422: ("malformed-input", "envelope-invalid"), 413: ("limit-exceeded",)},
        )
        too_many = {**bid.body, "headers": {**bid.body["headers"], "D": ""}}
        refused(caller.post(f"/tenders/{tender}/submissions", too_many), 422, "malformed-input")


def test_a_bid_for_another_call(
    stage: Stage, tender: str, other_tender: str, caller: Caller, bid: HandMade
) -> None:
    """Sealed for one tender and sent to another: refused with a receipt."""
    with one_refusal_act(stage.folder):
        answer = caller.post(f"/tenders/{other_tender}/submissions", bid.body)
    problem = refused(answer, 409, "notice-mismatch", rule="same-documents")
    honoured(problem, bid.session, {**manifest_of(bid).value, "tender": other_tender}, bid.seal_digest)
    with unchanged(stage.folder):
        refused(caller.post("/tenders/none/submissions", bid.body), 404, "not-found")


@pytest.mark.parametrize(
    ("context", "code", "rule"),
    [
        ({"notice_digest": "0" * 64}, "notice-mismatch", "same-documents"),
        ({"stale_keys": True}, "key-set-stale", "same-documents"),
        ({"submission_number": 7}, "submission-number-stale", "one-bid"),
    ],
)
def test_stale_bids(
    stage: Stage,
    cast: Cast,
    tender: str,
    caller: Caller,
    bidder: PartySession,
    context: dict[str, Any],
    code: str,
    rule: str,
) -> None:
    """Another notice, a stale key set, a number that is not the next: refused with a receipt."""
    made = hand_made(cast, bidder, tender, **context)
    with one_refusal_act(stage.folder):
        answer = caller.post(f"/tenders/{tender}/submissions", made.body)
    problem = refused(answer, 409, code, rule=rule)
    honoured(problem, bidder, manifest_of(made).value, made.seal_digest)


def test_bids_without_a_place(
    stage: Stage, cast: Cast, tender: str, caller: Caller, bidder: PartySession, rival: PartySession
) -> None:
    """A lot that is not called, an envelope beyond the notice's size, a call that is only a draft."""
    no_lot = hand_made(cast, bidder, tender, lot="99")
    too_large = hand_made(cast, bidder, tender, padding=(1 << 20) + 1)
    draft = scenes.drafted(cast)
    rivals = Caller.of(rival)
    with unchanged(stage.folder):
        answer = caller.post(f"/tenders/{tender}/submissions", no_lot.body)
        refused(answer, 422, "lot-unknown", rule="same-documents")
        answer = caller.post(f"/tenders/{tender}/submissions", too_large.body)
        assert refused(answer, 413, "limit-exceeded")["limit_bytes"] == 1 << 20
        answer = caller.post(f"/tenders/{draft}/submissions", no_lot.body)
        refused(answer, 409, "tender-not-open", rule="within-deadline")
        of_rival = rivals.post(f"/tenders/{tender}/submissions", no_lot.body)
        refused(of_rival, 422, "wrong-signer")


def test_who_decides_does_not_bid(stage: Stage, cast: Cast) -> None:
    """A member of the commission who is a bidder too is refused, by name of the rule."""
    name = "یاشار دوکاره"
    session = cast.person(name, "member", "bidder")
    seat = {"party": session.party, "name": name, "seat": "alternate"}
    tender = scenes.approved(cast, commission=[*cast.commission, seat])
    holders = [*cast.key_holders(), Member(session)]
    cast.buyer().compose_key_set(tender)
    for member in holders:
        member.countersign_key_set(tender)
    cast.buyer().publish(tender)
    made = hand_made(cast, session, tender)
    seated = Caller.of(session)
    with unchanged(stage.folder):
        answer = seated.post(f"/tenders/{tender}/submissions", made.body)
        refused(answer, 403, "bidder-in-commission", rule="no-conflict")


def test_a_manifest_sent_twice(stage: Stage, cast: Cast, standing: Submitted, rival: PartySession) -> None:
    """The same manifest again is no second submission; the first receipt comes back with the refusal."""
    bid = standing.bid
    body = {
        "manifest": to_base64(bid.manifest),
        "seal": to_base64(bid.seal),
        "headers": {kind: to_base64(header) for kind, header in bid.headers.items()},
    }
    rivals = Caller.of(rival)
    with unchanged(stage.folder):
        answer = rivals.post(f"/tenders/{bid.tender}/submissions", body)
    problem = refused(answer, 409, "submission-replayed")
    assert problem["receipt"]["document"] == to_base64(standing.receipt.document_bytes)
    assert (problem["id"], problem["missing"]) == (standing.id, [])


def test_blobs_that_differ(stage: Stage, caller: Caller, started: tuple[str, HandMade]) -> None:
    """Of the right length or short, with other bytes: refused with a receipt, and nothing is kept."""
    submission, made = started
    name, content = next(iter(made.blobs.items()))
    wrong = bytes([content[0] ^ 1]) + content[1:]
    short = content[:-1]
    for sent, data in ((wrong, wrong), (iter([short]), short), (iter([b""]), b"")):
        with one_refusal_act(stage.folder):
            answer = caller.put(f"/submissions/{submission}/blobs/{name}", sent)
        problem = refused(answer, 422, "blob-mismatch")
        honoured(problem, made.session, manifest_of(made).value, sha256_hex(data))
    assert name in caller.get(f"/submissions/{submission}").json()["missing"]


def test_blobs_without_a_place(
    stage: Stage, caller: Caller, started: tuple[str, HandMade], rival: PartySession
) -> None:
    """Too long, of another name, of another bidder, of no submission: refused before anything is kept."""
    submission, made = started
    name, content = next(iter(made.blobs.items()))
    path, rivals = f"/submissions/{submission}/blobs", Caller.of(rival)
    with unchanged(stage.folder):
        refused(caller.put(f"{path}/{name}", content + b"x"), 422, "blob-mismatch")
        refused(caller.put(f"{path}/{name}", content[:-1]), 422, "blob-mismatch")
        refused(caller.put(f"{path}/{name}", iter([content, b"x"])), 413, "limit-exceeded")
        refused(caller.put(f"{path}/A.share-99.der", content), 404, "not-found")
        for odd in ("D.content.bin", "A.share-1.der%00", "A.share--1.der", "a.content.bin", "x" * 300):
            refused(caller.put(f"{path}/{odd}", content), 422, "malformed-input")
        for escaping in ("%2e%2e%2fA.content.bin", "..%2F..%2Fmohr.toml"):
            answer = caller.put(f"{path}/{escaping}", content)
            assert answer.status_code in (404, 405, 422)
            refused(answer, answer.status_code, answer.json()["code"])
        refused(rivals.put(f"{path}/{name}", content), 403, "forbidden")
        refused(rivals.get(f"/submissions/{submission}"), 404, "not-found")
        refused(caller.put(f"/submissions/%00/blobs/{name}", content), 422, "malformed-input")
        for unknown in ("none", "0" * 36, "%F0%9F%92%A3"):
            refused(caller.put(f"/submissions/{unknown}/blobs/{name}", content), 404, "not-found")
            refused(caller.get(f"/submissions/{unknown}"), 404, "not-found")


def test_a_line_that_breaks(stage: Stage, caller: Caller, started: tuple[str, HandMade]) -> None:
    """An upload that ends half-way leaves nothing, and the same blob can be sent again in full."""
    submission, made = started
    name, content = max(made.blobs.items(), key=lambda item: len(item[1]))
    path = f"/submissions/{submission}/blobs/{name}"
    with unchanged(stage.folder):
        half_sent(caller, path, content)
        time.sleep(0.3)
    assert name not in caller.put(path, content).json()["missing"]


def half_sent(caller: Caller, path: str, content: bytes) -> None:
    host = urlsplit(caller.url)
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: {host.netloc}\r\nAuthorization: Bearer {caller.token}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    with closing(socket.create_connection((str(host.hostname), int(host.port or 80)), 10.0)) as line:
        line.sendall(head.encode() + content[: len(content) // 2])
        time.sleep(0.2)


def withdrawal_of(cast: Cast, submitted: Submitted, session: PartySession) -> Paper:
    return Paper(
        {
            "type": "mohr/withdrawal/v1",
            "tender": submitted.bid.tender,
            "lot": submitted.bid.lot,
            "bidder": session.party,
            "manifest_digest": submitted.bid.manifest_digest,
            "withdrawn_at": format_utc(cast.clock.now()),
        }
    )


def test_withdrawals_that_do_not_hold(
    stage: Stage, cast: Cast, standing: Submitted, rival: PartySession
) -> None:
    """A withdrawal that is malformed, cut, or not signed by its bidder withdraws nothing."""
    paper = withdrawal_of(cast, standing, rival)
    caller, path = Caller.of(rival), f"/tenders/{standing.bid.tender}/withdrawals"
    strangers = make_authority(clock=cast.clock)
    document = canonical_bytes(paper.value)
    foreign = sign_detached(document, strangers.organisation(rival.party), at=cast.clock.now())
    with unchanged(stage.folder):
        all_refused(tampered(paper.signed(rival)), lambda body: caller.post(path, body), FORM_OR_SIGNATURE)
        all_refused(
            ((name, each.signed(rival)) for name, each in malformed(paper)),
            lambda body: caller.post(path, body),
            FORM,
        )
        body = {"document": to_base64(document), "signature": to_base64(foreign)}
        refused(caller.post(path, body), 422, "certificate-untrusted")


def test_withdrawals_of_what_does_not_stand(
    stage: Stage,
    cast: Cast,
    standing: Submitted,
    rival: PartySession,
    bidder: PartySession,
    caller: Caller,
    other_tender: str,
) -> None:
    """Another's, of another tender or lot, of no submission: refused, and the submission stands."""
    paper, rivals = withdrawal_of(cast, standing, rival), Caller.of(rival)
    path = f"/tenders/{standing.bid.tender}/withdrawals"
    mine = paper.but(bidder=bidder.party)
    with unchanged(stage.folder):
        refused(caller.post(path, paper.signed(rival)), 422, "wrong-signer")
        refused(caller.post(path, paper.signed(bidder)), 403, "forbidden")
        refused(caller.post(path, mine.signed(bidder)), 404, "not-found")
        answer = rivals.post(path, paper.but(tender=other_tender).signed(rival))
        refused(answer, 409, "notice-mismatch", rule="same-documents")
        answer = rivals.post(f"/tenders/{other_tender}/withdrawals", paper.signed(rival))
        refused(answer, 409, "notice-mismatch", rule="same-documents")
        answer = rivals.post(path, paper.but(lot="99").signed(rival))
        refused(answer, 422, "lot-unknown", rule="same-documents")
        unknown = paper.but(manifest_digest="0" * 64)
        refused(rivals.post(path, unknown.signed(rival)), 404, "not-found")


def test_withdrawing_twice(stage: Stage, cast: Cast, other_tender: str, rival: PartySession) -> None:
    """What was withdrawn or replaced before is not withdrawn again."""
    first = scenes.submitted(cast, other_tender, RIVAL)
    second = scenes.submitted(cast, other_tender, RIVAL)
    caller, path = Caller.of(rival), f"/tenders/{other_tender}/withdrawals"
    assert caller.post(path, withdrawal_of(cast, second, rival).signed(rival)).status_code == 201
    with unchanged(stage.folder):
        for gone in (first, second):
            answer = caller.post(path, withdrawal_of(cast, gone, rival).signed(rival))
            refused(answer, 409, "nothing-to-withdraw", rule="one-bid")


def test_a_revoked_certificate(stage: Stage, cast: Cast, tender: str) -> None:
    """What is signed or sealed after the certificate was revoked counts nowhere, and signs nobody in."""
    name = "ابطال‌شده آزمون"
    old = cast.organisation(name, "bidder")
    made = hand_made(cast, old, tender)
    submitted = cast.bidder(name).submit(scenes.prepared(cast, tender, name))
    holder = second_certificate(cast, old)
    cast.registrar.revoke(fingerprint_of(old.signer.certificate), "keyCompromise")
    resealed = replace(made, seal=sealed_without_session(made, holder, old))
    paper = withdrawal_of(cast, submitted, old)
    signature = sign_detached(canonical_bytes(paper.value), old.signer, at=cast.clock.now())
    wire = {"document": to_base64(canonical_bytes(paper.value)), "signature": to_base64(signature)}
    newer = Caller.of(holder)
    with unchanged(stage.folder):
        refused(newer.post(f"/tenders/{tender}/withdrawals", wire), 422, "certificate-revoked")
        refused(newer.post(f"/tenders/{tender}/submissions", resealed.body), 422, "certificate-revoked")
        ended = refused(Caller(newer.url, old.api.token).get("/auth/me"), 401, "session-ended")
        assert ended["reason"] == "certificate-revoked"
    holder.api.close()


def second_certificate(cast: Cast, session: PartySession) -> PartySession:
    """The same party with a fresh key and certificate, in a folder of its own."""
    path = cast.folder / f"{session.party}-second"
    folder = PartyFolder.create(
        path, party=session.party, name="x", base_url=cast.base_url, anchors=cast.anchors
    )
    api = open_api(folder, cast.clock)
    request_certificates(folder, api, {"signing": "organisation-seal"})
    cast.certify(folder, "ابطال‌شده آزمون", "x")
    assert not collect_certificates(folder, api)
    return PartySession(folder, api, cast.clock)


def sealed_without_session(made: HandMade, holder: PartySession, old: PartySession) -> bytes:
    return seal_manifest(
        made.manifest, old.signer, at=old.clock.now(), timestamp=lambda value: stamp(holder, value)
    )
