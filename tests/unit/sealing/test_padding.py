"""Buckets: the length of a payload says little about it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealing.padding import bucket_of, padme


@pytest.mark.parametrize(
    ("length", "bucket"),
    [(0, 0), (1, 1), (9, 10), (10, 10), (100, 104), (1000, 1024), (1025, 1088), (50_000, 51_200)],
)
def test_known_buckets(length: int, bucket: int) -> None:
    """The buckets are those of the Padmé paper, worked out by hand: keep the top log2(log2 L) + 1 bits."""
    assert padme(length) == bucket


@given(st.integers(min_value=2, max_value=2**40))
@settings(deadline=None)
def test_padding_is_small_and_final(length: int) -> None:
    """A bucket holds its content, costs at most 12 %, and is a bucket itself."""
    bucket = padme(length)

    assert length <= bucket <= length * 1.12
    assert padme(bucket) == bucket


@given(st.integers(0, 2**32), st.integers(0, 2**32))
@settings(deadline=None)
def test_a_longer_content_never_has_a_smaller_bucket(one: int, other: int) -> None:
    """Buckets keep the order of lengths, so none can be told apart inside one."""
    shorter, longer = sorted((one, other))

    assert padme(shorter) <= padme(longer)


def test_few_buckets_remain() -> None:
    """Among all lengths up to 1 MB only a few hundred buckets can be told apart."""
    assert len({padme(length) for length in range(1 << 20)}) < 320


@given(st.integers(0, 100_000))
@settings(deadline=None)
def test_below_the_floor_all_are_alike(length: int) -> None:
    """Whatever is shorter than the floor has the length of the floor's bucket."""
    assert bucket_of(length, 100_000) == padme(100_000)
