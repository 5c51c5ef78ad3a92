"""Countersigning and destroying: the beginning and the provable end of a tender's keys."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from custodian.errors import EndNotProven, KeySetRefused, KeysGone, KeysUnknown
from kernel.canonical import parse_canonical, sha256_hex, to_base64
from pki.errors import KeyUnavailable
from signing.cms import sign_detached, verify_detached
from tests.support.tenders import TenderWorld, many


def finished(world: TenderWorld) -> TenderWorld:
    for stage in ("A", "B", "C"):
        world.run_stage(stage)
    return world


def crls(world: TenderWorld) -> list[str]:
    return [to_base64(crl) for crl in world.crls()]


def test_keys_are_made_once_and_differ_by_kind_and_tender(world: TenderWorld) -> None:
    """The same tender gets the same three keys; another tender gets others."""
    again = world.custodian.create_keys(world.tender)
    other = world.custodian.create_keys("another-tender")

    assert again == dict(world.key_set.custodian.keys)
    assert len({*again.values(), *other.values()}) == 6


def test_destroyed_keys_are_gone_and_attested(world: TenderWorld) -> None:
    """After the award the key files are gone, and the signed attestation names them by digest and journal index."""
    finished(world)
    signed = world.custodian.destroy(world.destruction_request())
    content = parse_canonical(signed.document)

    assert content["keys"] == {kind: sha256_hex(spki) for kind, spki in world.key_set.custodian.keys.items()}
    assert not list((world.folder / "custodian" / "keys").glob("tender-*"))
    entry = world.custodian.journal.entries()[content["journal_index"]]
    assert (entry.act, entry.digest) == ("keys-destroyed", signed.digest)
    verify_detached(
        signed.document, signed.signature, world.trust(), now=world.clock.now(), party=world.custodian.party
    )
    with pytest.raises(KeysGone):
        world.custodian.create_keys(world.tender)


def test_destroying_again_gives_the_same_attestation(world: TenderWorld) -> None:
    """One attestation, however often it is asked for, also after a restart."""
    request = finished(world).destruction_request()

    first = world.custodian.destroy(request)

    assert world.custodian.destroy(request) == first == world.reopen_custodian().destroy(request)


def test_a_minority_cannot_destroy_keys(world: TenderWorld) -> None:
    """An award signed by one of three ends nothing, and the keys stay."""
    finished(world)

    with pytest.raises(EndNotProven):
        world.custodian.destroy(world.destruction_request(signers=world.members[:1]))

    assert len(list((world.folder / "custodian" / "keys").glob("tender-*"))) == 3


def test_an_award_before_any_opening_ends_nothing(world: TenderWorld) -> None:
    """Keys are not destroyed under the bidders' envelopes: stage C must have been released here."""
    world.run_stage("A")
    world.held["C"] = world.held["A"]

    with pytest.raises(EndNotProven):
        world.custodian.destroy(world.destruction_request())


def test_a_decision_that_accepts_nobody_ends_the_tender(world: TenderWorld) -> None:
    """Where all were rejected there is no award; the majority's decision is the end."""
    release = world.custodian.release(world.release_package("A"))
    world.record("A", release)
    document = world.decide("A", rejected=dict.fromkeys(world.submissions, "no guarantee"))
    request = {
        "tender": world.tender,
        "decision": many(document, world.held["A"].decision_signatures),
        "notice": world.stage_package("A")["notice"],
        "key_set": many(world.key_set.document, world.key_set_signatures),
        "crls": crls(world),
    }
    accepting = copy.deepcopy(request)
    accepting["decision"] = many(world.decide("A"), world.held["A"].decision_signatures)

    with pytest.raises(EndNotProven):
        world.custodian.destroy(accepting)
    assert parse_canonical(world.custodian.destroy(request).document)["kinds"] == ["A", "B", "C"]


def test_an_unknown_tender_has_no_keys_to_destroy(world: TenderWorld) -> None:
    """A tender that this custodian never heard of is refused as such."""
    with pytest.raises(KeysUnknown):
        world.custodian.destroy({"tender": "never-heard-of"})


def test_a_crash_between_deleting_and_attesting_is_finished_by_the_next_request(world: TenderWorld) -> None:
    """Keys that are half gone are no obstacle: the repeated request deletes the rest and attests."""
    finished(world)
    folder = world.folder / "custodian" / "keys"
    (folder / f"tender-{world.tender}-A.key").unlink()

    signed = world.reopen_custodian().destroy(world.destruction_request())

    assert parse_canonical(signed.document)["kinds"] == ["A", "B", "C"]
    assert not list(folder.glob("tender-*"))


def test_countersigning_again_gives_the_same_signature(world: TenderWorld) -> None:
    """One key set, one countersignature."""
    members = {p: s for p, s in world.key_set_signatures.items() if p != world.custodian.party}

    again = world.custodian.countersign(world.key_set.document, members, crls=crls(world))

    assert again == world.key_set_signatures[world.custodian.party]


def test_a_key_set_without_every_member_is_not_countersigned(tmp_path: Path) -> None:
    """The custodian signs last: one member missing, or one signature over something else, and it does not."""
    world = TenderWorld(tmp_path / "w")
    key_set = world.make_key_set()
    signatures = world.countersignatures(key_set.document)
    missing = {party: each for party, each in signatures.items() if party != world.members[2].party}
    other = sign_detached(b"{}", world.members[2].signer, at=world.clock.now())

    for given in (missing, {**signatures, world.members[2].party: other}):
        with pytest.raises(KeySetRefused):
            world.custodian.countersign(key_set.document, given, crls=crls(world))
    assert [entry.act for entry in world.custodian.journal.entries()] == ["keys-created"]


def test_a_key_set_with_foreign_keys_is_not_countersigned(tmp_path: Path) -> None:
    """Keys of another tender, even of this custodian's, are refused: they would open elsewhere."""
    world = TenderWorld(tmp_path / "w")
    genuine = world.make_key_set()
    foreign = world.custodian.create_keys("another-tender")
    mixed = type(genuine.custodian)(world.custodian.party, genuine.custodian.signing_certificate, foreign)
    key_set = world.make_key_set(custodian=mixed)

    with pytest.raises(KeySetRefused):
        world.custodian.countersign(
            key_set.document, world.countersignatures(key_set.document), crls=crls(world)
        )


def test_a_key_set_is_replaced_only_with_k_of_the_old_members(world: TenderWorld) -> None:
    """A second set must name the first as its predecessor and carry k of its members' signatures."""
    former, others = world.members[0], world.members[1:]
    members = world.key_set.members
    newcomer = world._make_member(9, "alternate")
    world.members = [newcomer, *others]
    unlinked = world.make_key_set()
    linked = world.make_key_set(previous=world.key_set.digest)
    assert [each.party for each in linked.members] != [each.party for each in members]

    with pytest.raises(KeySetRefused):
        world.custodian.countersign(
            unlinked.document, world.countersignatures(unlinked.document), crls=crls(world)
        )
    signature = world.custodian.countersign(
        linked.document, world.countersignatures(linked.document), crls=crls(world)
    )

    assert former.party not in {each.party for each in linked.members}
    verify_detached(linked.document, signature, world.trust(), now=world.clock.now())


def test_a_closed_store_stays_closed(world: TenderWorld) -> None:
    """With another passphrase the keys do not open."""
    from custodian.setup import open_custodian

    with pytest.raises(KeyUnavailable):
        open_custodian(
            world.folder / "custodian", world.custodian_clock, passphrase="wrong", witness=world.witness
        )
