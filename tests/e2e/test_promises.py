"""The promises of the sealed envelope, each under attack, on a running server, custodian and witness."""

from __future__ import annotations

import base64
import json
import re
import tarfile
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat import asn1 as hazmat_asn1
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from app.demo.cast import Cast
from app.demo.stage import Stage
from client.errors import ApiRefusal
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex
from kernel.clock import parse_utc
from procurement.package import PackageRefused, verify_stage_package
from sealing import asn1, cms, shamir
from sealing.coins import Secrets
from sealing.envelope import EnvelopeHeader, share_name
from sealing.errors import Disputed, Unopenable
from sealing.key_set import KeySet
from sealing.opening import judge_bad_share, open_envelope
from sealing.shares import Share, commitment_of, kek_commitment_of, open_share, share_plaintext
from tests.e2e.scenes import (
    DEADLINE,
    LOT,
    PRICE,
    await_closing,
    in_session,
    published,
    recorded,
    submitted,
)
from tests.e2e.sealing_by_hand import HandMade, hand_made
from tests.support.attacks import HOLDERS, Operator, dealt, found_in, handed_in

FIRST, SECOND, THIRD, FORGER = "راه‌سازان البرز", "عمران پایدار ری", "سازه گستر شمیران", "سایه‌کاران"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def operator(stage: Stage, cast: Cast) -> Operator:
    """The attacker with the most rights: he runs the server."""
    return Operator.of(stage, cast)


def called(cast: Cast, *bidders: str, **changes: Any) -> str:
    """A published call; the bidders are enrolled."""
    for position in range(6):
        cast.member(position)
    for name in bidders:
        cast.bidder(name)
    return published(cast, **changes)


def made_by(cast: Cast, name: str, tender: str, **options: Any) -> HandMade:
    return hand_made(cast, cast.organisation(name, "bidder"), tender, **options)


def past_deadline(cast: Cast, stage: Stage, tender: str) -> None:
    """Beyond deadline and grace, with the closing list in the log."""
    closes_at = parse_utc(cast.auditor().api.get(f"/tenders/{tender}")["closes_at"])
    ahead = closes_at - cast.clock.now()
    if ahead > timedelta(0):
        stage.clock.advance(ahead + timedelta(seconds=1))
    await_closing(cast, tender)


def key_set_of(cast: Cast, tender: str) -> KeySet:
    return cast.auditor().tender(tender).key_set


def good_shares(operator: Operator, header: EnvelopeHeader, blobs: dict[str, bytes]) -> list[Share]:
    """Every member's share that opens, in the order of their indices."""
    kind, found = header.context.kind, []
    for position in range(5):
        key = operator.member(position).folder.key("encryption")
        found.append(open_share(blobs[share_name(kind, position + 1)], key, header, position + 1))
    return found


def result_of(record: Json, manifest: str) -> Json:
    document = parse_canonical(from_base64(record["document"]))
    (found,) = (each for each in document["results"] if each["manifest_digest"] == manifest)
    return dict(found)


def openable(bid: HandMade, kind: str) -> tuple[EnvelopeHeader, dict[str, bytes]]:
    header = EnvelopeHeader.parse(bid.headers[kind])
    return header, {name: bid.blobs[name] for name in header.expected_blobs()}


def refused_by_custodian(operator: Operator, package: Json, code: str, check: str | None = None) -> Json:
    answer = operator.ask_custodian(package)
    problem: Json = answer.json()
    assert answer.status_code >= 400, problem
    assert problem["code"] == code, problem
    if check is not None:
        assert problem["check"] == check, problem
    return problem


# 1. No plaintext of an envelope exists outside its bidder before its opening.


def test_before_its_opening_no_content_is_anywhere(operator: Operator, cast: Cast, stage: Stage) -> None:
    """Price and guarantee of a submitted bid stand in no file of server, custodian or witness until opened."""
    tender = called(cast, FIRST)
    price, words = b"7031942201", "گواهی نشان ویژه".encode()
    client = cast.bidder(FIRST)
    contents = _contents(price.decode(), words.decode())
    client.submit(client.prepare_bid(tender, LOT, contents))
    assert found_in(stage.folder, price, words, base64.b64encode(price)) == []
    past_deadline(cast, stage, tender)
    in_session(cast, tender, "A")
    assert found_in(stage.folder, price, words) == []
    assert found_in(stage.parties / client.bids(tender)[0].manifest_digest, price, words) == []
    decided_after(cast, tender, "A")
    assert found_in(stage.folder, price) == []


def decided_after(cast: Cast, tender: str, stage: str) -> None:
    """The session that is open goes on to its decision."""
    sitting = cast.sitting()
    for member in sitting:
        member.hand_in_batch(tender, stage)
    sitting[0].release(tender, stage)
    for member in sitting:
        member.sign_record(tender, stage)
    document = sitting[0].propose_decision(tender, stage)
    assert [member.sign_decision(tender, stage, document) for member in sitting[:2]][-1]


def _contents(price: str, words: str) -> dict[str, Json]:
    money = {"amount": price, "currency": "IRR"}
    line = {
        "id": "1",
        "description": words,
        "quantity": "1",
        "unit": "طرح",
        "unit_price": price,
        "amount": price,
    }
    guarantee = {
        "kind": "bank_guarantee",
        "issuer": "بانک شهر",
        "number": "G-1",
        "amount": {"amount": "1300000000", "currency": "IRR"},
        "valid_until": "2028-01-01T00:00:00.000000Z",
    }
    return {
        "A": {"guarantee": guarantee},
        "B": {"statements": ["صلاحیت"], "files": []},
        "C": {"price": money, "lines": [line], "currency": "IRR"},
    }


# 2. k-1 members with the server and the custodian cannot open; k members without the custodian cannot either.


@pytest.fixture(scope="module")
def broken_into(
    operator: Operator, cast: Cast
) -> tuple[EnvelopeHeader, dict[str, bytes], KeySet, list[Share], Share]:
    """A bid's envelope C, its key set, all members' shares, and the custodian's, taken out of its own folder."""
    tender = called(cast, FIRST)
    bid = made_by(cast, FIRST, tender)
    handed_in(tender, bid)
    header, blobs = openable(bid, "C")
    custodian = open_share(blobs["C.share-0.der"], operator.custodian_key(tender, "C"), header, 0)
    return header, blobs, key_set_of(cast, tender), good_shares(operator, header, blobs), custodian


def test_too_few_members_with_server_and_custodian_open_nothing(
    broken_into: tuple[EnvelopeHeader, dict[str, bytes], KeySet, list[Share], Share],
) -> None:
    """Every pair of members with all keys of server and custodian leads to no key; a third share opens it."""
    header, blobs, key_set, shares, custodian = broken_into
    context = header.context.digest()
    for pair in combinations(shares, key_set.threshold - 1):
        with pytest.raises(Disputed):
            open_envelope(header, blobs, key_set, pair, custodian)
        guess = shamir.value_at({each.index: each.share for each in pair}, 0)
        kek = Secrets(guess, custodian.share).kek(context)
        assert kek_commitment_of(context, kek) != header.kek_commitment
    assert open_envelope(header, blobs, key_set, shares[:3], custodian).payload


def test_all_members_without_the_custodian_open_nothing(
    broken_into: tuple[EnvelopeHeader, dict[str, bytes], KeySet, list[Share], Share],
    operator: Operator,
    cast: Cast,
) -> None:
    """All five members together, with the custodian's keys for another tender and kind, lead to no key."""
    header, blobs, key_set, shares, custodian = broken_into
    member_secret = shamir.value_at({each.index: each.share for each in shares}, 0)
    context = header.context.digest()
    for guess in (bytes(32), member_secret, shares[0].share, custodian.blinding):
        kek = Secrets(member_secret, guess).kek(context)
        assert kek_commitment_of(context, kek) != header.kek_commitment
        with pytest.raises(Disputed):
            open_envelope(header, blobs, key_set, shares, Share(0, guess, bytes(32)))
    for kind in "AB":
        other = operator.custodian_key(header.context.tender, kind)
        with pytest.raises(Exception, match="does not decrypt"):
            open_share(blobs["C.share-0.der"], other, header, 0)


# 3 and 4. Order is enforced by keys, and a rejected C stays closed for ever, provably.


def test_keys_enforce_the_order_and_end_with_the_tender(operator: Operator, cast: Cast, stage: Stage) -> None:
    """Asked past the server, the custodian releases B only on a majority's decision A, C only on decision B and
    only for who passed; after the award its keys are gone and no entry of its journal shows the rejected C."""
    tender = called(cast, FIRST, SECOND)
    for name in (FIRST, SECOND):
        submitted(cast, tender, name)
    past_deadline(cast, stage, tender)
    recorded(cast, tender, "A")
    after_a = _before_decision(operator, cast, tender)
    rejected = cast.bidder(SECOND).bids(tender)[0].manifest_digest
    document = decision(cast, tender, "A", {})
    in_session(cast, tender, "B")
    true_b = operator.package(tender, "B")
    batches = [operator.batch(position, tender, "B", true_b) for position in range(3)]
    assert after_a["code"] == "package-refused"
    one_signature = dict(list(true_b["previous_decision"]["signatures"].items())[:1])
    alone = {
        **true_b,
        "batches": batches,
        "previous_decision": {**true_b["previous_decision"], "signatures": one_signature},
    }
    refused_by_custodian(operator, alone, "package-refused", "5 decision")
    refused_by_custodian(
        operator, {**true_b, "batches": batches, "previous_decision": None}, "package-refused", "5 decision"
    )
    early = _as_stage_c(operator, tender, true_b, sha256_hex(document))
    refused_by_custodian(operator, early, "package-refused")
    _open_and_sign(cast, tender, "B")
    decision(cast, tender, "B", {rejected: "گواهی ندارد"})
    in_session(cast, tender, "C")
    true_c = operator.package(tender, "C")
    assert rejected not in {entry["manifest_digest"] for entry in true_c["submissions"]}
    both = _with_rejected(operator, tender, true_c, true_b, rejected)
    refused_by_custodian(operator, both, "package-refused", "6 eligible")
    _open_and_sign(cast, tender, "C")
    award = cast.sitting()[0].award_draft(tender)
    assert [member.sign_award(tender, award) for member in cast.sitting()[:2]][-1]
    cast.buyer().close(tender)
    assert not list((stage.folder / "custodian" / "keys").glob(f"*{tender}*"))
    refused_by_custodian(operator, both, "package-refused", "6 eligible")
    again = {**true_c, "session": operator.session(tender, "C", true_c, decision_digest=_decision_of(true_c))}
    refused_by_custodian(operator, again, "custodian-keys-destroyed")
    released = [
        entry for entry in _journal(operator) if entry["tender"] == tender and entry["act"] == "released"
    ]
    assert [entry["stage"] for entry in released] == ["A", "B", "C"]
    assert [rejected in entry["manifests"] for entry in released] == [True, True, False]
    returned = cast.organisation(SECOND, "bidder").api.get(f"/tenders/{tender}/returns")["returns"]
    assert [parse_canonical(from_base64(each["document"]))["kinds"] for each in returned] == [["C"]]


def _before_decision(operator: Operator, cast: Cast, tender: str) -> Json:
    """B is asked for on the record of A alone; and C right after A."""
    package = operator.package(tender, "A")
    offered = {**package, "stage": "B", "attendances": operator.attendances(tender, "B")}
    offered["session"] = operator.session(tender, "B", offered)
    offered["previous_session"] = package["session"]
    offered["previous_record"] = cast.auditor().api.get(f"/tenders/{tender}/openings/A/record")
    return refused_by_custodian(operator, offered, "package-refused", "5 decision")


def _as_stage_c(operator: Operator, tender: str, package: Json, decision_digest: str) -> Json:
    """What shows that B may be opened, offered for C."""
    offered = {**package, "stage": "C", "attendances": operator.attendances(tender, "C"), "batches": []}
    offered["session"] = operator.session(tender, "C", offered, decision_digest=decision_digest)
    return offered


def _with_rejected(operator: Operator, tender: str, package: Json, earlier: Json, rejected: str) -> Json:
    (entry,) = (each for each in earlier["submissions"] if each["manifest_digest"] == rejected)
    offered = {**package, "submissions": [*package["submissions"], entry]}
    offered["session"] = operator.session(tender, "C", offered, decision_digest=_decision_of(package))
    return offered


def _decision_of(package: Json) -> str:
    return sha256_hex(from_base64(package["previous_decision"]["document"]))


def decision(cast: Cast, tender: str, stage: str, rejections: dict[str, str]) -> bytes:
    sitting = cast.sitting()
    document = sitting[0].propose_decision(tender, stage, rejections=rejections)
    assert [member.sign_decision(tender, stage, document) for member in sitting[:2]] == [False, True]
    return document


def _open_and_sign(cast: Cast, tender: str, stage: str) -> None:
    for member in cast.sitting():
        member.hand_in_batch(tender, stage)
    cast.sitting()[0].release(tender, stage)
    for member in cast.sitting():
        member.sign_record(tender, stage)


def _journal(operator: Operator) -> list[Json]:
    lines = (operator.stage.folder / "custodian" / "journal" / "entries.jsonl").read_bytes().split()
    return [json.loads(base64.b64decode(line)) for line in lines]


# 5. Bound to tender, lot, bidder, kind, number, key set and notice.


def test_shares_copied_into_a_puppet_tender_stay_closed(operator: Operator, cast: Cast, stage: Stage) -> None:
    """A puppet tender with the same commission, closing first, whose bids hold another bidder's blobs of C: the
    members' clients and the custodian open none of them, while the victim's call is still open."""
    puppet = called(cast, FORGER, THIRD, FIRST)
    victim = called(cast, FIRST, **_later(cast))
    price = made_by(cast, FIRST, victim)
    handed_in(victim, price)
    stolen = json.loads(price.headers["C"])

    def for_members(header: Json, blobs: dict[str, bytes]) -> None:
        for entry, original in list(zip(header["shares"], stolen["shares"], strict=True))[1:]:
            blobs[share_name("A", entry["index"])] = price.blobs[share_name("C", entry["index"])]
            entry["commitment"] = original["commitment"]

    def for_custodian(header: Json, blobs: dict[str, bytes]) -> None:
        blobs["A.share-0.der"] = price.blobs["C.share-0.der"]
        header["shares"][0]["commitment"] = stolen["shares"][0]["commitment"]

    copied = handed_in(puppet, dealt(made_by(cast, FORGER, puppet), "A", for_members))
    asked = handed_in(puppet, dealt(made_by(cast, THIRD, puppet), "A", for_custodian))
    past_deadline(cast, stage, puppet)
    assert cast.auditor().api.get(f"/tenders/{victim}")["state"] == "published"
    in_session(cast, puppet, "A")
    for member in cast.sitting():
        assert set(member.hand_in_batch(puppet, "A").bad) == {copied}
    record = cast.sitting()[0].release(puppet, "A")["record"]
    for manifest in (copied, asked):
        found = result_of(record, manifest)
        assert (found["outcome"], found["member_secret"], found["custodian_secret"]) == (
            "disputed",
            None,
            None,
        )
    with pytest.raises(ApiRefusal, match="not-found"):
        cast.auditor().api.get(f"/tenders/{victim}/closing-list")


def _later(cast: Cast) -> Json:
    later = cast.clock.now() + 2 * DEADLINE
    return {
        "submission_deadline": later.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "bid_valid_until": (later + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def test_a_stale_submission_is_never_opened(operator: Operator, cast: Cast, stage: Stage) -> None:
    """Replaced and withdrawn submissions, offered to the custodian beside or instead of what stands, are refused."""
    tender = called(cast, FIRST, SECOND, THIRD)
    replaced = made_by(cast, FIRST, tender)
    handed_in(tender, replaced)
    handed_in(tender, made_by(cast, FIRST, tender, submission_number=2))
    submitted(cast, tender, SECOND)
    withdrawn = submitted(cast, tender, THIRD).bid
    cast.bidder(THIRD).withdraw(withdrawn)
    past_deadline(cast, stage, tender)
    in_session(cast, tender, "A")
    package = operator.package(tender, "A")
    assert len(package["submissions"]) == 2
    for stale in (replaced, withdrawn):
        added = {**package, "submissions": [*package["submissions"], operator.entry(stale, "A")]}
        instead = {**package, "submissions": [operator.entry(stale, "A"), package["submissions"][1]]}
        for offered in (added, instead):
            offered["session"] = operator.session(tender, "A", offered)
            offered["batches"] = [operator.batch(position, tender, "A", offered) for position in range(3)]
            refused_by_custodian(operator, offered, "package-refused", "6 eligible")
    swapped = {**package, "submissions": [operator.entry(replaced, "A"), package["submissions"][1]]}
    swapped["submissions"][0]["manifest_digest"] = package["submissions"][0]["manifest_digest"]
    refused_by_custodian(operator, swapped, "package-refused", "7 submission")


# 6. A wrong share is found before it is used, and the right party is named for it.


def test_a_wrong_share_is_found_and_its_party_named(operator: Operator, cast: Cast, stage: Stage) -> None:
    """A member's altered share is not counted, so nothing is released for it; who lies about a share is named by
    the rebuild, and a bidder who dealt a bad one is named instead of the member."""
    tender = called(cast, FIRST, SECOND)
    honest = made_by(cast, FIRST, tender)

    def spoil(header: Json, blobs: dict[str, bytes]) -> None:
        blobs["A.share-2.der"] = blobs["A.share-3.der"]

    unfair = dealt(made_by(cast, SECOND, tender), "A", spoil)
    digests = [handed_in(tender, bid) for bid in (honest, unfair)]
    past_deadline(cast, stage, tender)
    in_session(cast, tender, "A")
    package = operator.package(tender, "A")
    header, blobs = openable(honest, "A")
    shares = good_shares(operator, header, blobs)
    wrong = Share(3, shares[3].share, shares[3].blinding)
    forged = operator.batch(2, tender, "A", package, **{digests[0]: wrong})
    true = [operator.batch(position, tender, "A", package) for position in (0, 1)]
    for position, wire in ((0, true[0]), (1, true[1]), (2, forged)):
        operator.member(position).api.post(f"/tenders/{tender}/openings/A/batches", wire)
    record = cast.sitting()[0].release(tender, "A")["record"]
    assert result_of(record, digests[0])["outcome"] == "disputed"
    assert result_of(record, digests[0])["custodian_secret"] is None
    key_set = key_set_of(cast, tender)
    custodian = open_share(blobs["A.share-0.der"], operator.custodian_key(tender, "A"), header, 0)
    named = judge_bad_share(header, blobs, key_set, [*shares[:2], *shares[3:]], custodian, 3).named
    assert named == HOLDERS[2]
    bad_header, bad_blobs = openable(unfair, "A")
    rest = [
        open_share(
            bad_blobs[f"A.share-{index}.der"],
            operator.member(index - 1).folder.key("encryption"),
            bad_header,
            index,
        )
        for index in (1, 3, 4)
    ]
    secret = open_share(bad_blobs["A.share-0.der"], operator.custodian_key(tender, "A"), bad_header, 0)
    assert judge_bad_share(bad_header, bad_blobs, key_set, rest, secret, 2).named == unfair.session.party


# 7. A bid opens to one content or to none, whoever attends.


def test_what_was_dealt_unfairly_opens_for_nobody(operator: Operator, cast: Cast, stage: Stage) -> None:
    """Shares off the polynomial, a garbled share for one who is absent, and two key recipients under one key:
    each is unopenable and names its bidder, for every three of the five members; the honest bid beside opens."""
    tender = called(cast, FIRST, SECOND, THIRD, FORGER)
    key_set = key_set_of(cast, tender)

    def off_the_polynomial(header: Json, blobs: dict[str, bytes]) -> None:
        _deal_again(header, blobs, key_set, 2, shamir.new_secret())

    def garbled(header: Json, blobs: dict[str, bytes]) -> None:
        blobs["A.share-5.der"] = blobs["A.share-4.der"]

    honest = made_by(cast, FIRST, tender)
    unfair = {
        "polynomial": dealt(made_by(cast, SECOND, tender), "A", off_the_polynomial),
        "absent": dealt(made_by(cast, THIRD, tender), "A", garbled),
        "recipients": dealt(made_by(cast, FORGER, tender), "A", _two_recipients),
    }
    good = handed_in(tender, honest)
    digests = {name: handed_in(tender, bid) for name, bid in unfair.items()}
    past_deadline(cast, stage, tender)
    recorded(cast, tender, "A")
    record = cast.auditor().api.get(f"/tenders/{tender}/openings/A/record")
    assert result_of(record, good)["outcome"] == "opened"
    for name, bid in unfair.items():
        found = result_of(record, digests[name])
        assert (found["outcome"], found["named"], found["bid_digest"]) == (
            "unopenable",
            bid.session.party,
            None,
        ), name
    for name in ("polynomial", "recipients"):
        header, blobs = openable(unfair[name], "A")
        custodian = open_share(blobs["A.share-0.der"], operator.custodian_key(tender, "A"), header, 0)
        for attending in combinations(good_shares(operator, header, blobs), 3):
            with pytest.raises(Unopenable) as refusal:
                open_envelope(header, blobs, key_set, attending, custodian)
            assert refusal.value.named == unfair[name].session.party


def _deal_again(header: Json, blobs: dict[str, bytes], key_set: KeySet, index: int, value: bytes) -> None:
    """Another value for one member, well encrypted and with a commitment that fits it."""
    read = EnvelopeHeader.parse(canonical_bytes(header))
    kind, context, secrets = read.context.kind, read.context.digest(), Secrets(bytes(32), bytes(32))
    member = key_set.members[index - 1]
    share = Share(index, value, secrets.blinding("other"))
    blobs[share_name(kind, index)] = cms.write_share(
        member.public_key,
        member.key_identifier,
        secrets.ephemeral("other"),
        secrets.key("other"),
        secrets.nonce("other"),
        share_plaintext(share, context, read.digest),
    )
    header["shares"][index]["commitment"] = commitment_of(context, share)


def _two_recipients(header: Json, blobs: dict[str, bytes]) -> None:
    """The content's CMS again, with a second recipient for whoever reads it otherwise."""
    info = asn1.decode(asn1.ContentInfo, blobs["A.content.der"])
    second = asn1.KekRecipient(
        version=4,
        kekid=asn1.KekIdentifier(key_identifier=cms.KEK_IDENTIFIER),
        algorithm=asn1.BareAlgorithm(algorithm=asn1.AES256_WRAP),
        encrypted_key=aes_key_wrap(bytes(32), bytes(32)),
    )
    both = [*info.content.recipients.as_list(), asn1.tagged(second, asn1.KEK_TAG)]
    info.content.recipients = hazmat_asn1.SetOf(both)
    blobs["A.content.der"] = asn1.encode(info)


def test_who_stops_after_seeing_has_seen_nothing(operator: Operator, cast: Cast, stage: Stage) -> None:
    """While the third batch is missing nobody sees anything, the custodian when asked directly included; after
    the release the record stands and can be decided on without him."""
    tender = called(cast, FIRST, SECOND)
    for name in (FIRST, SECOND):
        submitted(cast, tender, name)
    past_deadline(cast, stage, tender)
    in_session(cast, tender, "A")
    sitting = cast.sitting()
    for member in sitting[:2]:
        member.hand_in_batch(tender, "A")
    with pytest.raises(ApiRefusal, match="batches"):
        sitting[0].release(tender, "A")
    package = operator.package(tender, "A")
    package["batches"] = [operator.batch(position, tender, "A", package) for position in (0, 1)]
    refused_by_custodian(operator, package, "batches-missing")
    for path in ("record", "bids"):
        with pytest.raises(ApiRefusal, match="not-found"):
            cast.auditor().api.get(f"/tenders/{tender}/openings/A/{path}")
    package["batches"].append(package["batches"][0])
    refused_by_custodian(operator, package, "batches-missing")
    sitting[2].hand_in_batch(tender, "A")
    sitting[0].release(tender, "A")
    for member in sitting[:2]:
        member.sign_record(tender, "A")
    document = sitting[0].propose_decision(tender, "A")
    assert [member.sign_decision(tender, "A", document) for member in sitting[:2]][-1]
    shown = cast.auditor().api.get(f"/tenders/{tender}/openings/A/bids")["bids"]
    assert len(shown) == 2


# 8. Size does not tell.


def test_two_prices_of_one_bucket_are_equally_long(cast: Cast) -> None:
    """A short and a long bid below the floor of the notice have blobs of equal length, name by name."""
    floor = {"A": 16384, "B": 16384, "C": 32768}
    tender = called(cast, FIRST, SECOND, padding_floor_bytes=floor)
    lengths = []
    for name, price, words in ((FIRST, "9", "کوتاه"), (SECOND, PRICE, "توضیح بسیار بلند " * 300)):
        client = cast.bidder(name)
        bid = client.submit(client.prepare_bid(tender, LOT, _contents(price, words))).bid
        headers = [EnvelopeHeader.parse(bid.headers[kind]) for kind in "ABC"]
        lengths.append(
            {blob: size for header in headers for blob, (size, _) in header.expected_blobs().items()}
        )
    assert lengths[0] == lengths[1]
    assert [lengths[0][f"{kind}.content.bin"] for kind in "ABC"] == list(floor.values())


# Until the deadline nobody learns how many bids there are, and the custodian keeps its own time.


def test_nobody_learns_how_many_have_bid(operator: Operator, cast: Cast, stage: Stage) -> None:
    """With no bid and with three, every answer for the public, other bidders, buyers, members and auditors is the
    same, down to the audit folder; the log only has commitments of one size that name no tender."""
    tender = called(cast, FIRST, SECOND, THIRD, FORGER)
    before, log_before = _all_that_is_shown(cast, tender), _log(cast)
    for name in (FIRST, SECOND, THIRD):
        submitted(cast, tender, name)
    again = made_by(cast, FIRST, tender, submission_number=1)
    with pytest.raises(ApiRefusal):
        handed_in(tender, again)
    assert _all_that_is_shown(cast, tender) == before
    added = _log(cast)[len(log_before) :]
    acts = [entry for entry in added if b"mohr/commitment/v1" in entry]
    assert len(acts) == 4
    assert {len(entry) for entry in acts} == {len(acts[0])}
    assert not any(tender.encode() in entry for entry in added)
    assert all(
        re.fullmatch(rb'\{"commitment":"[0-9a-f]{64}","type":"mohr/commitment/v1"\}', act) for act in acts
    )


def _all_that_is_shown(cast: Cast, tender: str) -> dict[str, Any]:
    """What every party but the bidders themselves is answered, refusals too."""
    parties = {
        "bidder": cast.organisation(FORGER, "bidder"),
        "member": cast.person("حسین رستگار", "member"),
        "auditor": cast.auditor(),
        "buyer": cast.person("سعیده میرزایی", "buyer"),
    }
    paths = ["", "/notice", "/key-set", "/closing-list", "/submissions", "/returns", "/draft", "/minutes"]
    paths += [f"/openings/{kind}/{part}" for kind in "AC" for part in ("package", "record", "bids", "draft")]
    shown: dict[str, Any] = {}
    for role, session in parties.items():
        for path in paths:
            try:
                answer = session.api.get(f"/tenders/{tender}{path}")
            except ApiRefusal as refusal:
                answer = {"refused": refusal.code}
            # The proof is under the newest checkpoint of the whole log, which always grows.
            answer.pop("proof", None)
            shown[f"{role} {path}"] = answer
    cast.auditor().api.download("/audit/bundle.tar", cast.auditor().folder.path / "bundle.tar")
    shown["audit"] = _names_of(cast.auditor().folder.path / "bundle.tar", tender)
    return shown


def _names_of(archive: Path, tender: str) -> list[str]:
    with tarfile.open(archive) as opened:
        return sorted(name for name in opened.getnames() if name.startswith(f"tenders/{tender}/"))


def _log(cast: Cast) -> list[bytes]:
    path = cast.auditor().folder.path / "bundle.tar"
    cast.auditor().api.download("/audit/bundle.tar", path)
    with tarfile.open(path) as opened:
        member = opened.extractfile("log/entries.jsonl")
        assert member is not None
        return [base64.b64decode(line) for line in member.read().split()]


def test_the_custodian_keeps_its_own_time(operator: Operator, cast: Cast, stage: Stage) -> None:
    """Before the deadline, with the server's keys, the head and k members all colluding, a forged closing list gets
    nothing released: not under a checkpoint of now, nor, the witness colluding too, under one of tomorrow."""
    tender = called(cast, FIRST, SECOND)
    bids = [made_by(cast, name, tender) for name in (FIRST, SECOND)]
    for bid in bids:
        handed_in(tender, bid)
    closes_at = parse_utc(cast.auditor().api.get(f"/tenders/{tender}")["closes_at"])
    after = closes_at + timedelta(hours=1)
    now = cast.clock.now()
    today = operator.closing_list(tender, bids, closed_at=after, cosigned_at=now)
    problem = refused_by_custodian(
        operator, operator.invented(tender, "A", bids, today), "package-refused", "3 closing-list"
    )
    assert "cosigned before the deadline" in problem["detail"]
    tomorrow = operator.closing_list(tender, bids, closed_at=after, cosigned_at=after)
    package = operator.invented(tender, "A", bids, tomorrow)
    problem = refused_by_custodian(operator, package, "package-refused", "3 closing-list")
    assert "by this clock" in problem["detail"]
    member = operator.member(1)
    trust, anchors = member.trust(), member.folder.anchors
    with pytest.raises(PackageRefused, match="by this clock"):
        verify_stage_package(
            package,
            trust=trust,
            log_vkey=anchors.log,
            witness_vkeys=anchors.witnesses,
            now=cast.clock.now(),
            kind="A",
        )
    refusals = [
        entry for entry in _journal(operator) if entry["tender"] == tender and entry["act"] == "refused"
    ]
    assert len(refusals) == 2
