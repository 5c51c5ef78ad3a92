"""Commitments follow the published formula and bind content, counter and salts."""

import hashlib

import pytest

from kernel.canonical import canonical_bytes, parse_canonical
from kernel.errors import MalformedInput
from transparency.commitment import (
    commitment,
    commitment_entry,
    counter_commitment,
    disclosed_content,
    disclosed_leaf_hash,
)
from transparency.tree import leaf_hash

SALT, OTHER = bytes(range(32)), bytes(range(1, 33))
CONTENT = {"act": "submission", "tender": "t", "digest": "ab" * 32}


def test_the_formulas_are_those_of_the_formats_page() -> None:
    """Prefix, salt and digest, or counter, are hashed in the order that docs/formats.md states."""
    inner = hashlib.sha256(canonical_bytes(CONTENT)).digest()

    assert commitment(CONTENT, SALT) == hashlib.sha256(b"mohr commitment v1" + SALT + inner).hexdigest()
    assert (
        counter_commitment(7, SALT)
        == hashlib.sha256(b"mohr counter v1" + SALT + (7).to_bytes(8, "big")).hexdigest()
    )
    assert parse_canonical(commitment_entry(CONTENT, SALT)) == {
        "type": "mohr/commitment/v1",
        "commitment": commitment(CONTENT, SALT),
    }


def test_anything_else_leads_to_another_leaf() -> None:
    """Another content, salt, counter or counter salt does not lead to the leaf in the log."""
    known = {
        "act": "submission",
        "tender": "t",
        "digest": "ab" * 32,
        "received_at": "2026-11-24T08:00:00.000000Z",
    }
    content = disclosed_content(**known, counter=1, counter_salt=SALT.hex())
    leaf = disclosed_leaf_hash(content, SALT.hex())

    assert leaf == leaf_hash(commitment_entry(content, SALT)).hex()
    changed = [
        disclosed_content(**known, counter=2, counter_salt=SALT.hex()),
        disclosed_content(**known, counter=1, counter_salt=OTHER.hex()),
        disclosed_content(**{**known, "act": "withdrawal"}, counter=1, counter_salt=SALT.hex()),
    ]
    assert leaf not in {disclosed_leaf_hash(each, SALT.hex()) for each in changed}
    assert leaf != disclosed_leaf_hash(content, OTHER.hex())


@pytest.mark.parametrize(
    ("counter", "salt"), [(0, "00" * 32), (-1, "00" * 32), (1, "00"), (1, "zz" * 32), (1, "")]
)
def test_odd_counters_and_salts_are_refused(counter: int, salt: str) -> None:
    """Counters from 1 and salts of 32 bytes only."""
    with pytest.raises(MalformedInput):
        disclosed_content(
            act="a", tender="t", digest="d", received_at="r", counter=counter, counter_salt=salt
        )
