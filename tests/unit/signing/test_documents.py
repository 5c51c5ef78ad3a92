"""Signed documents: canonical bytes, the right type, a valid signature, and the wire form."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.canonical import canonical_bytes, from_base64
from kernel.errors import MalformedInput
from signing.documents import (
    parse_document,
    read_document,
    sign_document,
    to_wire,
    verify_signatures,
)
from signing.errors import SignatureInvalid, WrongSigner
from tests.support.authority import make_authority

TYPE = "mohr/example/v1"
DOCUMENT = {"type": TYPE, "tender": "t-1", "title": "آسفالت"}


def test_round_trip() -> None:
    """A signed document is read back with its content, through the wire form too."""
    authority = make_authority()
    signed = sign_document(DOCUMENT, authority.person("IR-1"), authority.now)
    wire = to_wire(signed)
    value = read_document(
        from_base64(wire["document"]),
        from_base64(wire["signature"]),
        authority.trust_store(),
        type_=TYPE,
        now=authority.now,
        party="IR-1",
        fields=["tender", "title"],
    )
    assert value == DOCUMENT


def test_other_type() -> None:
    """A signature over one type of document can't be presented as another."""
    authority = make_authority()
    signed = sign_document(DOCUMENT, authority.person("IR-1"), authority.now)
    with pytest.raises(MalformedInput):
        read_document(
            signed.document,
            signed.signature,
            authority.trust_store(),
            type_="mohr/notice/v1",
            now=authority.now,
        )


def test_other_spelling() -> None:
    """The same JSON with a space more is not the document, whoever signed it."""
    data = canonical_bytes(DOCUMENT).replace(b":", b": ", 1)
    with pytest.raises(MalformedInput):
        parse_document(data, type_=TYPE)


@pytest.mark.parametrize("type_", [None, 5, "notice", "mohr/notice", "mohr/Notice/v1", "mohr/notice/v0"])
def test_type_is_required(type_: Any) -> None:
    """Nothing is signed that does not say what it is."""
    authority = make_authority()
    with pytest.raises(MalformedInput):
        sign_document({"type": type_}, authority.person("IR-1"), authority.now)


def test_fields_are_exact() -> None:
    """Where the fields are known, a missing or an additional one is refused."""
    data = canonical_bytes(DOCUMENT)
    for fields in (["tender"], ["tender", "title", "more"]):
        with pytest.raises(MalformedInput):
            parse_document(data, type_=TYPE, fields=fields)


def test_signatures_by_party() -> None:
    """Several signatures over one document count only under the names of those who made them."""
    authority = make_authority()
    signers = [authority.person("IR-1"), authority.person("IR-2")]
    signed = [sign_document(DOCUMENT, signer, authority.now) for signer in signers]
    trust = authority.trust_store()
    right = {"IR-1": signed[0].signature, "IR-2": signed[1].signature}
    assert verify_signatures(signed[0].document, right, trust, now=authority.now) == {"IR-1", "IR-2"}
    swapped = {"IR-1": signed[1].signature, "IR-2": signed[0].signature}
    with pytest.raises(WrongSigner):
        verify_signatures(signed[0].document, swapped, trust, now=authority.now)


def test_signature_of_another_document() -> None:
    """A genuine signature over another document does not carry over."""
    authority = make_authority()
    signer = authority.person("IR-1")
    one = sign_document(DOCUMENT, signer, authority.now)
    two = sign_document({**DOCUMENT, "tender": "t-2"}, signer, authority.now)
    with pytest.raises(SignatureInvalid):
        read_document(one.document, two.signature, authority.trust_store(), type_=TYPE, now=authority.now)
