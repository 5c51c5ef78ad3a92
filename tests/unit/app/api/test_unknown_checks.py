"""Guessing is slow: what does not exist is asked for a few times a minute from one source."""

from __future__ import annotations

import pytest

from app.api.unknown_checks import UnknownChecks, source_of
from authenticity.errors import TooManyChecks


class Seconds:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_places_are_taken_given_back_and_come_back() -> None:
    """A question about what exists costs nothing; without places one waits until one has come back."""
    seconds = Seconds()
    checks = UnknownChecks(3, seconds=seconds)
    for _ in range(50):
        checks.take("a")
        checks.give_back("a")
    for _ in range(3):
        checks.take("a")
    with pytest.raises(TooManyChecks) as refused:
        checks.take("a")
    assert refused.value.fields["retry_after_seconds"] == 20
    checks.take("b")
    seconds.now += 20
    checks.take("a")
    with pytest.raises(TooManyChecks):
        checks.take("a")
    seconds.now += 3600
    for _ in range(3):
        checks.take("a")
    with pytest.raises(TooManyChecks):
        checks.take("a")


def test_what_is_remembered_is_bounded() -> None:
    """However many sources ask, no more than so many are kept, the latest."""
    checks = UnknownChecks(1, most_sources=10, seconds=Seconds())
    for number in range(1000):
        checks.take(str(number))
    with pytest.raises(TooManyChecks):
        checks.take("999")
    checks.take("0")
    assert len(checks._left) == 10


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
        ("192.0.2.7:4711", "unknown"),
        ("x" * 60_000, "unknown"),
    ],
)
def test_whom_an_address_counts_as(host: str, source: str) -> None:
    """One subscriber of IPv6 has a whole network of addresses and is still one source."""
    assert source_of(host) == source
