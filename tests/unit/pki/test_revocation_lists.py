"""Full lists, deltas and shards: what each holds, under which number, until when, and when it is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

import pki.list_issuing as list_issuing
from kernel.database import read_only
from kernel.errors import MalformedInput, NotFound
from pki.errors import CertificateRevoked, RevocationUnknown
from pki.installation import open_authority
from pki.list_issuing import crls_are_due, publication_is_due
from pki.locations import Locations, shard_of
from pki.orm import RevocationListRow
from pki.published_lists import current_crl, newest_lists
from pki.trust import TrustStore
from tests.support.authority import START
from tests.support.databases import Databases
from tests.support.registry import PASSPHRASE, Office
from tests.support.revocation import (
    list_at,
    number_of,
    open_office,
    parsed,
    person,
    reasons_of,
    refresh,
    refresh_rest,
    resume,
    revoke,
    suspend,
    trust_of,
)

BASE_URL = "http://mohr.test"


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    with open_office(tmp_path, databases.new(), base_url=BASE_URL, shards=4) as made:
        yield made


@pytest.fixture
def long_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list counts as a long one."""
    monkeypatch.setattr(list_issuing, "SHORT", -1)


def _base(der: bytes) -> int:
    extension = parsed(der).extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert extension.critical
    return extension.value.crl_number


def test_one_sequence_of_numbers(office: Office) -> None:
    """Full list, delta and shard of one change have one number, which grows with each; they say the same."""
    numbers, counts = [], []
    for party in ("IR-1", "IR-2", "IR-3"):
        certificate = person(office, party)
        lists = revoke(office, certificate).lists
        shard = list_at(office, scope=shard_of(certificate.serial_number, 4))
        assert {number_of(der) for der in (*lists, shard)} == {number_of(lists[0])}
        assert certificate.serial_number in reasons_of(shard)
        numbers.append(number_of(lists[0]))
        counts.append([len(parsed(der)) for der in lists])
    assert numbers == sorted(set(numbers))
    assert counts == [[1, 1], [2, 2], [3, 3]]


def test_a_stale_delta_answers_nothing(office: Office, long_lists: None) -> None:
    """With a delta beyond the full list in use, its own end counts: later nobody is taken to be unrevoked."""
    certificate = person(office)
    revoke(office, person(office, "IR-2"))
    store, delta = trust_of(office), parsed(list_at(office, scope="delta"))
    ends = delta.next_update_utc
    assert ends is not None
    assert number_of(list_at(office)) < number_of(list_at(office, scope="delta"))

    assert store.validate(certificate, [], ends, "signature")
    with pytest.raises(RevocationUnknown, match="stale"):
        store.validate(certificate, [], ends + timedelta(seconds=1), "signature")


def test_a_delta_completes_every_list_in_force(office: Office) -> None:
    """It rests on the oldest full list that is still in force, and moves on when that is over."""
    first = number_of(list_at(office))
    one, two = person(office), person(office, "IR-2")
    revoke(office, one)
    assert _base(list_at(office, scope="delta")) == first
    office.clock.advance(timedelta(days=4))
    refresh(office)
    assert _base(list_at(office, scope="delta")) == first
    office.clock.advance(timedelta(days=3, seconds=1))
    revoke(office, two)
    delta = list_at(office, scope="delta")
    assert _base(delta) > first
    assert reasons_of(delta) == {two.serial_number: "keyCompromise"}
    assert set(reasons_of(list_at(office))) == {one.serial_number, two.serial_number}


def test_what_is_lifted_is_removed_by_the_next_delta(office: Office) -> None:
    """A lifted hold stands as removeFromCRL in deltas, and not at all in full list and shard."""
    certificate = person(office)
    shard = shard_of(certificate.serial_number, 4)
    suspend(office, certificate)
    assert reasons_of(list_at(office, scope=shard)) == {certificate.serial_number: "certificateHold"}
    resume(office, certificate)
    assert reasons_of(list_at(office, scope="delta")) == {certificate.serial_number: "removeFromCRL"}
    assert reasons_of(list_at(office)) == reasons_of(list_at(office, scope=shard)) == {}


def test_a_store_with_an_old_list_and_the_delta(office: Office) -> None:
    """An older full list with the newest delta judges like the newest full list, and as long as the delta is fresh."""
    old = [list_at(office, "root"), list_at(office)]
    revoked, held, lifted, fine = (person(office, f"IR-{n}") for n in range(4))
    office.clock.advance(timedelta(hours=1))
    revoke(office, revoked)
    for each in (held, lifted):
        suspend(office, each)
    resume(office, lifted)
    office.clock.advance(timedelta(days=6.5))
    refresh(office)
    delta = [list_at(office, scope="delta"), list_at(office, "root", "delta")]
    store = TrustStore([office.authority.root.certificate], list(office.authority.chain), [*old, *delta])
    now = office.clock.now() + timedelta(days=1)
    for certificate in (revoked, held):
        with pytest.raises(CertificateRevoked):
            store.validate(certificate, [], now, "signature")
    for certificate in (lifted, fine):
        assert store.validate(certificate, [], now, "signature", revocation="ever")
    assert len(store.crls()) == 3
    assert len(trust_of(office).crls()) == 2
    alone = TrustStore([office.authority.root.certificate], list(office.authority.chain), old)
    with pytest.raises(RevocationUnknown):
        alone.validate(fine, [], now, "signature")


def test_a_delta_alone_or_a_shard_is_no_list(office: Office) -> None:
    """Without a full list nothing is judged, and a shard is not taken for one."""
    certificate = person(office)
    delta, root = list_at(office, scope="delta"), list_at(office, "root")
    store = TrustStore([office.authority.root.certificate], list(office.authority.chain), [delta, root])
    with pytest.raises(RevocationUnknown):
        store.validate(certificate, [], START, "signature")
    with pytest.raises(RevocationUnknown):
        store.add_crl(list_at(office, scope="4-0"))


def test_a_certificate_names_its_shard(office: Office) -> None:
    """CDP and the critical name in the shard agree; whoever is sent to a shard is not sent to the delta."""
    certificate = person(office)
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    shard = shard_of(certificate.serial_number, 4)
    named = parsed(list_at(office, scope=shard)).extensions.get_extension_for_class(
        x509.IssuingDistributionPoint
    )
    assert named.critical
    assert named.value.full_name == point.full_name
    assert point.full_name[0].value == f"{BASE_URL}/pki/crl/intermediate/{shard}.crl"
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.FreshestCRL)
    unsharded = office.authority.tsa.certificate
    freshest = unsharded.extensions.get_extension_for_class(x509.FreshestCRL).value
    assert freshest[0].full_name[0].value == f"{BASE_URL}/pki/crl/intermediate/delta.crl"
    full = parsed(list_at(office)).extensions
    assert full.get_extension_for_class(x509.FreshestCRL).value == freshest
    assert not any(extension.critical for extension in full)


def test_the_division_may_change(office: Office, tmp_path: Path) -> None:
    """With another number of shards, those that older certificates name are kept up too."""
    before = person(office)
    office.authority = open_authority(tmp_path / "authority", PASSPHRASE, crl_shards=2)
    refresh_rest(office)
    after = person(office, "IR-2")
    for each in (before, after):
        revoke(office, each)
        for shards in (2, 4):
            assert each.serial_number in reasons_of(
                list_at(office, scope=shard_of(each.serial_number, shards))
            )
    with read_only(office.sessions) as session:
        scopes = {head.scope for head in newest_lists(session, "intermediate")}
    assert scopes == {"full", "delta", "2-0", "2-1", "4-0", "4-1", "4-2", "4-3"}
    with pytest.raises(MalformedInput):
        open_authority(tmp_path / "authority", PASSPHRASE, crl_shards=3)
    assert Locations.below(None, "intermediate", 1, 4) is None


def test_lists_are_renewed_in_time(office: Office) -> None:
    """Nothing is due in the first half of a list's life; at the half the intermediate's are renewed."""
    assert refresh(office) == []
    office.clock.advance(timedelta(days=3.5) - timedelta(seconds=1))
    assert refresh(office) == []
    office.clock.advance(timedelta(seconds=1))
    with read_only(office.sessions) as session:
        assert crls_are_due(session, office.clock.now(), office.authority)
    assert len(refresh(office)) == 2
    assert len(refresh_rest(office)) == 4
    assert refresh(office) == []


def test_jump_of_the_clock(office: Office) -> None:
    """After a jump of months everything is stale, and one refresh makes everything fresh; back again as well."""
    certificate = person(office)
    for step in (timedelta(days=100), timedelta(days=-50)):
        office.clock.advance(step)
        now = office.clock.now()
        if step > timedelta(0):
            with pytest.raises(RevocationUnknown):
                trust_of(office).validate(certificate, [], now, "signature")
        assert len(refresh(office)) == 2 * 2
        assert len(refresh_rest(office)) == 4
        assert trust_of(office).validate(certificate, [], now, "signature")


def test_a_long_list_follows(office: Office, long_lists: None) -> None:
    """A change enters delta and shard at once, and the long full list within a minute, made outside of the change."""
    certificate = person(office)
    before = number_of(list_at(office))
    change = revoke(office, certificate)
    assert [_base(der) for der in change.lists] == [before]
    assert number_of(list_at(office)) == before
    with pytest.raises(CertificateRevoked):
        trust_of(office).validate(certificate, [], START, "signature", revocation="ever")
    assert refresh(office) == refresh_rest(office) == []
    office.clock.advance(timedelta(minutes=1))
    with read_only(office.sessions) as session:
        assert publication_is_due(session, office.clock.now(), office.authority)
    (full,) = refresh_rest(office)
    assert list_at(office) == full
    assert reasons_of(full) == {certificate.serial_number: "keyCompromise"}
    assert number_of(list_at(office, scope="delta")) > number_of(full) > number_of(change.lists[0])
    assert refresh_rest(office) == []
    # One that answers no more is not waited for.
    office.clock.advance(timedelta(days=8))
    refresh(office)
    now = office.clock.now()
    assert trust_of(office).validate(office.authority.tsa.certificate, [], now, "timestamping")


def test_changes_while_a_long_list_is_made(
    office: Office, long_lists: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is revoked or resumed meanwhile is in the delta beside the new list, and nobody makes it twice."""
    first, held, late = (person(office, f"IR-{n}") for n in range(3))
    revoke(office, first)
    suspend(office, held)
    office.clock.advance(timedelta(minutes=2))
    made = []

    def meanwhile(point: str) -> None:
        if point == "list.built":
            made.append(point)
            assert refresh_rest(office) == []
            revoke(office, late)
            resume(office, held)

    monkeypatch.setattr(list_issuing, "reach", meanwhile)
    refresh_rest(office)
    assert made == ["list.built"]
    assert set(reasons_of(list_at(office))) == {first.serial_number, held.serial_number}
    store, now = trust_of(office), office.clock.now() + timedelta(hours=1)
    for certificate in (first, late):
        with pytest.raises(CertificateRevoked):
            store.validate(certificate, [], now, "signature")
    assert store.validate(held, [], now, "signature", revocation="ever")


def test_many_changes_end_the_delta(
    office: Office, long_lists: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delta that has grown too long brings the full list on at once and then rests on that."""
    monkeypatch.setattr(list_issuing, "MAX_DELTA", 2)
    monkeypatch.setattr("pki.revocation_lines.MAX_DELTA", 2)
    for n in range(3):
        revoke(office, person(office, f"IR-{n}"))
    (full,) = refresh_rest(office)
    delta = list_at(office, scope="delta")
    assert (_base(delta), len(parsed(delta)), len(parsed(full))) == (number_of(full), 0, 3)


def test_only_the_newest_is_kept(office: Office) -> None:
    """Of each scope one list is stored; of full lists the numbers too that deltas may rest on."""
    for n in range(3):
        revoke(office, person(office, f"IR-{n}"))
    office.clock.advance(timedelta(days=8))
    refresh(office)
    refresh_rest(office)
    with read_only(office.sessions) as session:
        rows = session.scalars(
            select(RevocationListRow).where(RevocationListRow.issuer == "intermediate")
        ).all()
        assert len(rows) == 6
        assert all(row.der is not None for row in rows)


def test_lists_by_name(office: Office) -> None:
    """Each list is found by the name of its authority and scope."""
    issuer = parsed(list_at(office, "root")).issuer
    assert issuer == office.authority.root.certificate.subject
    with read_only(office.sessions) as session:
        for name, scope in (("other", "full"), ("intermediate", "8-1"), ("root", "4-0")):
            with pytest.raises(NotFound):
                current_crl(session, name, scope)


def test_revoked_stays_on_the_list(office: Office) -> None:
    """Years after its end a certificate is still on the list, which says that it keeps those."""
    certificate = person(office)
    revoke(office, certificate)
    office.clock.advance(timedelta(days=3 * 365))
    refresh(office)
    full = parsed(list_at(office))
    assert full.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    assert any(each.oid.dotted_string == "2.5.29.60" for each in full.extensions)
