"""Sharing a secret: any k shares lead to it, and to every other share."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealing import shamir

secret_numbers = st.integers(0, shamir.PRIME - 1)


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_a_polynomial_worked_out_by_hand() -> None:
    """7 + 3x + 5x² has the values 15, 33, 61 at 1, 2, 3; from them follow 7 at 0 and 99 at 4."""
    shares = {1: number(15), 2: number(33), 3: number(61)}

    assert shamir.value_at(shares, 0) == number(7)
    assert shamir.value_at(shares, 4) == number(99)
    assert shamir.value_at(shares, 2) == number(33)


def test_any_k_of_n_recover_the_secret() -> None:
    """Each of the ten choices of three out of five leads to the same secret."""
    secret = shamir.new_secret()
    shares = shamir.split(secret, threshold=3, count=5)

    for chosen in combinations(shares, 3):
        assert shamir.value_at({index: shares[index] for index in chosen}, 0) == secret


@given(secret_numbers, st.data())
@settings(deadline=None)
def test_the_shares_of_the_absent_follow_from_any_k(secret: int, data: st.DataObject) -> None:
    """For random k and n, any k shares give the secret and every share that was not used."""
    threshold = data.draw(st.integers(2, 8))
    count = data.draw(st.integers(threshold + 1, 12))
    shares = shamir.split(number(secret), threshold=threshold, count=count)
    chosen = data.draw(st.permutations(sorted(shares)))[:threshold]
    known = {index: shares[index] for index in chosen}

    assert shamir.value_at(known, 0) == number(secret)
    assert {index: shamir.value_at(known, index) for index in shares} == shares


def test_the_largest_index_of_one_byte() -> None:
    """255 shares can be dealt, the most that one byte of a commitment can number."""
    secret = shamir.new_secret()
    shares = shamir.split(secret, threshold=2, count=255)

    assert shamir.value_at({254: shares[254], 255: shares[255]}, 0) == secret


@given(secret_numbers, secret_numbers)
@settings(deadline=None)
def test_one_share_too_few_says_nothing(secret: int, guess: int) -> None:
    """With k - 1 shares every secret is possible: some last share leads to any guess at all."""
    shares = shamir.split(number(secret), threshold=2, count=3)
    last = shamir.value_at({0: number(guess), 1: shares[1]}, 2)

    assert shamir.is_value(last)
    assert shamir.value_at({1: shares[1], 2: last}, 0) == number(guess)


def test_the_same_secret_is_shared_differently_each_time() -> None:
    """The polynomial is fresh, so shares of two dealings cannot be compared."""
    secret = shamir.new_secret()

    assert shamir.split(secret, threshold=2, count=3) != shamir.split(secret, threshold=2, count=3)


@pytest.mark.parametrize(
    ("share", "good"),
    [
        (number(0), True),
        (number(shamir.PRIME - 1), True),
        (number(shamir.PRIME), False),
        (b"\xff" * 32, False),
        (b"\x00" * 31, False),
        (b"\x00" * 33, False),
    ],
)
def test_a_share_has_one_form(share: bytes, good: bool) -> None:
    """Two byte strings never stand for one number: values are below the prime, in 32 bytes."""
    assert shamir.is_value(share) is good
