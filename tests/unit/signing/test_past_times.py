"""The control time (EN 319 102-1 §5.6.2.2): what lets it slide back from today, and what leaves it without proof."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from pki.algorithms import der_of
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.certificates import Link, Path
from signing.validation.conclusion import PASSED
from signing.validation.past import control_time
from signing.validation.revocation_status import Status
from signing.validation.scene import Scene
from signing.validation.signature_values import AlgorithmUse
from signing.validation.trust import Anchor, Trust
from tests.support.authority import MemoryAuthority
from tests.support.judged_cases import PARTY, YEAR, opened

DAY = timedelta(days=1)
OF_SIGNER, OF_AUTHORITY = b"of the signer", b"of the authority"
SHA1_ENDED = datetime(2012, 8, 1, tzinfo=UTC)


@cache
def authority() -> MemoryAuthority:
    return opened()


@cache
def links() -> tuple[Link, Link]:
    person, between = authority().person(PARTY).certificate, authority().intermediate
    return Link(person, between, (), True), Link(between, authority().root, (), True)


def day(number: float) -> datetime:
    return authority().now + number * DAY


def good(digest: bytes, **changes: object) -> Status:
    """Issued on the first day, for a year, by the root."""
    issued = day(1)
    uses = (AlgorithmUse("sha256"),)
    status = Status("crl", (digest,), issued, issued + YEAR, issued, None, None, authority().root, uses)
    return replace(status, **changes)  # type: ignore[arg-type]


def revoked(digest: bytes, on: float) -> Status:
    return good(digest, revoked_at=day(on), reason="keyCompromise")


def found(
    of_signer: Sequence[Status],
    of_authority: Sequence[Status],
    *,
    best: float = 2,
    until: datetime | None = None,
    unproven: Sequence[bytes] = (),
) -> datetime | None:
    """On the tenth day; everything but ``unproven`` is proven to be from the second."""
    anchor = Anchor(authority().root, until=until)
    scene = Scene.of(Trust([anchor]), AlgorithmPolicy.default(), day(10), day(10))
    digests = [hashlib.sha256(der_of(each.certificate)).digest() for each in links()]
    for thing in {OF_SIGNER, OF_AUTHORITY, *digests} - set(unproven):
        scene.proofs.add_one(thing, day(2))
    signer, above = links()
    path = Path((signer, replace(above, statuses=tuple(of_authority))), anchor, PASSED)
    return control_time(path, of_signer, day(best), scene)


S, A = good(OF_SIGNER), good(OF_AUTHORITY)


@pytest.mark.parametrize(
    ("of_signer", "of_authority", "expected"),
    [
        (S, A, day(10)),
        (revoked(OF_SIGNER, 5), A, day(5)),
        (S, revoked(OF_AUTHORITY, 5), day(5)),
        (revoked(OF_SIGNER, 3), revoked(OF_AUTHORITY, 5), day(3)),
        (revoked(OF_SIGNER, 5), revoked(OF_AUTHORITY, 3), day(3)),
        (revoked(OF_SIGNER, 11), A, day(10)),
        (replace(S, next_update=day(1.5)), A, day(1)),
        (S, revoked(OF_AUTHORITY, 1.5), None),
        (S, replace(A, next_update=day(1.5)), None),
        (replace(S, this_update=day(6)), revoked(OF_AUTHORITY, 5), None),
        (replace(S, uses=(AlgorithmUse("sha1"),)), A, SHA1_ENDED),
        (replace(S, uses=(AlgorithmUse("unknown"),)), A, None),
        (S, replace(A, uses=(AlgorithmUse("sha1"),)), None),
        (S, replace(A, signer_revoked_at=day(3)), day(10)),
        (S, replace(A, signer_revoked_at=day(1.5)), None),
        (replace(S, signer_revoked_at=day(1.5)), A, None),
    ],
)
def test_the_control_time_slides_back_from_the_anchor_down(
    of_signer: Status, of_authority: Status, expected: datetime | None
) -> None:
    """To a revocation, to the issue of what was not fresh, to an end of an algorithm; then what is known by then."""
    assert found([of_signer], [of_authority]) == expected


def test_it_starts_where_the_trust_in_the_anchor_ends() -> None:
    """An end of the trust before today is where it begins, one after it changes nothing."""
    assert found([S], [A], until=day(7)) == day(7)
    assert found([S], [A], until=day(20)) == day(10)


def test_freshness_is_asked_at_the_best_time_and_no_later_than_the_control_time() -> None:
    """A list that has ended before the signature is proven lets it slide; one that ended since does not."""
    ended = replace(S, next_update=day(4))
    assert found([ended], [A], best=2) == day(10)
    assert found([ended], [A], best=5) == day(1)
    assert found([ended], [revoked(OF_AUTHORITY, 3)], best=5) == day(3)


def test_what_is_not_proven_by_then_is_no_proof() -> None:
    """A certificate or list that is only known today tells nothing of a time before."""
    signer, above = (hashlib.sha256(der_of(each.certificate)).digest() for each in links())
    gone = revoked(OF_AUTHORITY, 5)
    assert found([S], [gone]) == day(5)
    for unproven in (OF_SIGNER, signer):
        assert found([S], [gone], unproven=[unproven]) is None
        assert found([S], [A], unproven=[unproven]) == day(10)
    for unproven in (OF_AUTHORITY, above):
        assert found([S], [gone], until=day(7), unproven=[unproven]) is None
