"""The context: what an envelope belongs to, and that nothing in it can be left out."""

from typing import Any

import pytest

from sealing.context import EnvelopeContext
from sealing.errors import EnvelopeInvalid

HONEST: dict[str, Any] = {
    "notice_digest": "0a" * 32,
    "tender": "tender-1",
    "lot": "1",
    "bidder": "IRO-1",
    "kind": "C",
    "submission_number": 1,
    "key_set_digest": "0b" * 32,
}


def test_a_context_survives_its_json_form() -> None:
    """What is written is read back as the same context."""
    context = EnvelopeContext.from_json(HONEST)

    assert context.to_json() == HONEST


def test_the_digest_is_that_of_the_canonical_bytes() -> None:
    """The digest is SHA-256 over RFC 8785 bytes: a known answer, made with sha256sum."""
    assert (
        EnvelopeContext.from_json(HONEST).digest().hex()
        == "68d87c2fb88bcfda1cd064db994dd607109f6cfc6e033aa4a17258b1152ca789"
    )


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("notice_digest", "0c" * 32),
        ("tender", "tender-2"),
        ("lot", "2"),
        ("bidder", "IRO-2"),
        ("kind", "B"),
        ("submission_number", 2),
        ("key_set_digest", "0c" * 32),
    ],
)
def test_every_field_changes_the_digest(name: str, other: object) -> None:
    """No part of the context can be exchanged without its digest, and so every key, changing."""
    changed = EnvelopeContext.from_json({**HONEST, name: other})

    assert changed.digest() != EnvelopeContext.from_json(HONEST).digest()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("notice_digest", "0A" * 32),
        ("notice_digest", "0a" * 31),
        ("tender", ""),
        ("tender", 7),
        ("lot", "x" * 101),
        ("bidder", None),
        ("kind", "D"),
        ("kind", "c"),
        ("submission_number", 0),
        ("submission_number", True),
        ("submission_number", "1"),
        ("submission_number", 10_001),
        ("key_set_digest", b"0b" * 32),
    ],
)
def test_a_wrong_value_is_refused(name: str, wrong: object) -> None:
    """A context holds only values of their one form."""
    with pytest.raises(EnvelopeInvalid):
        EnvelopeContext.from_json({**HONEST, name: wrong})


@pytest.mark.parametrize("fields", [{"note": "x"}, {}])
def test_a_context_has_exactly_its_fields(fields: dict[str, str]) -> None:
    """Neither an additional field nor a missing one is overlooked."""
    value = {**HONEST, **fields}
    if not fields:
        del value["lot"]

    with pytest.raises(EnvelopeInvalid):
        EnvelopeContext.from_json(value)
