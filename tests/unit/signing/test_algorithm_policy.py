"""The dated policy of algorithms: what counts when, and what a file may say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from signing.errors import TrustFolderInvalid
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.signature_values import AlgorithmUse

GOOD = b"""
name = "n"
version = "1"
[digests]
sha256 = {}
[[keys]]
kind = "RSA"
sizes = [{ bits = 1024, until = 2019-10-01 }, { bits = 3000 }]
"""


@pytest.mark.parametrize(
    ("use", "last"),
    [
        (AlgorithmUse("sha1"), datetime(2012, 8, 1, tzinfo=UTC)),
        (AlgorithmUse("md5"), datetime(2004, 8, 1, tzinfo=UTC)),
        (AlgorithmUse("sha224"), datetime(2029, 1, 1, tzinfo=UTC)),
        (AlgorithmUse("sha256", "RSA", 1024), datetime(2019, 10, 1, tzinfo=UTC)),
        (AlgorithmUse("sha256", "RSA", 2048), datetime(2029, 1, 1, tzinfo=UTC)),
        (AlgorithmUse("sha256", "ECDSA", 224), datetime(2021, 10, 1, tzinfo=UTC)),
        (AlgorithmUse("sha256", "DSA", 1024), datetime(2015, 12, 1, tzinfo=UTC)),
    ],
)
def test_an_algorithm_counts_until_its_day(use: AlgorithmUse, last: datetime) -> None:
    """The policy that comes along ends weak algorithms on the days of TS 119 312."""
    policy = AlgorithmPolicy.default()
    assert policy.weakness([use], last) is None
    weak = policy.weakness([use], last.replace(hour=1))
    assert weak is not None
    assert weak.until == last


def test_what_is_not_named_never_counts() -> None:
    """Unknown digests and kinds and sizes of keys below all that are named are refused at any time."""
    policy = AlgorithmPolicy.default()
    long_ago = datetime(1999, 1, 1, tzinfo=UTC)
    for use in (
        AlgorithmUse("sha3_224"),
        AlgorithmUse("sha256", "RSA", 512),
        AlgorithmUse(None, "Ed448", 456),
    ):
        weak = policy.weakness([use], long_ago)
        assert weak is not None
        assert weak.until is None
    assert policy.weakness([AlgorithmUse("sha256", "ECDSA", 521)], datetime(2040, 1, 1, tzinfo=UTC)) is None


def test_of_several_the_first_to_end_is_told() -> None:
    """An explanation names what ended first."""
    policy = AlgorithmPolicy.default()
    uses = [AlgorithmUse("sha1"), AlgorithmUse("sha256", "RSA", 1024)]
    weak = policy.weakness(uses, datetime(2026, 1, 1, tzinfo=UTC))
    assert weak is not None
    assert str(weak) == "SHA1 counted until 2012-08-01"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'name = "n"', b"name = 1"),
        (b'version = "1"', b""),
        (b"sha256 = {}", b"sha255 = {}"),
        (b"sha256 = {}", b"sha256 = { until = 2012-08-01T00:00:00Z }"),
        (b"sha256 = {}", b"sha256 = { from = 2012-08-01 }"),
        (b"sha256 = {}", b""),
        (b'"RSA"', b'"ABC"'),
        (b"bits = 1024", b"bits = true"),
        (b"bits = 1024", b"bits = 4000"),
        (b"{ bits = 3000 }", b"{ bits = 3000, until = 2018-01-01 }"),
        (b"[digests]", b"[digests"),
        (b'name = "n"', b'name = "\xff"'),
        (b'name = "n"', b'name = "n"\nother = 1'),
    ],
)
def test_a_policy_is_read_strictly(old: bytes, new: bytes, tmp_path: Path) -> None:
    """A file that says anything else than a policy may say is refused, naming it."""
    path = tmp_path / "policy.toml"
    path.write_bytes(GOOD)
    assert AlgorithmPolicy.from_file(path).name == "n"
    assert old in GOOD
    path.write_bytes(GOOD.replace(old, new))
    with pytest.raises(TrustFolderInvalid) as refused:
        AlgorithmPolicy.from_file(path)
    assert refused.value.fields["path"] == str(path)


def test_a_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Nothing is judged by a policy that cannot be read, or is longer than any."""
    with pytest.raises(TrustFolderInvalid):
        AlgorithmPolicy.from_file(tmp_path / "none.toml")
    long = tmp_path / "long.toml"
    long.write_bytes(GOOD + b"#" * (64 << 10))
    with pytest.raises(TrustFolderInvalid):
        AlgorithmPolicy.from_file(long)
