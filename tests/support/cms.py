"""Signatures that are wrong in one chosen way: taken apart, changed, and signed again with the real key."""

from __future__ import annotations

from collections.abc import Callable

from pki import algorithms, asn1
from pki.signed_data import Signer

Attributes = list[asn1.Attribute]


def change(der: bytes, how: Callable[[asn1.SignedData], None]) -> bytes:
    """The signature with its SignedData changed in place by ``how``; nothing is signed again."""
    outer = asn1.decode(asn1.ContentInfo, der)
    how(outer.content)
    return asn1.encode(outer)


def resign(der: bytes, signer: Signer, how: Callable[[Attributes], Attributes]) -> bytes:
    """The signature with other signed attributes, validly signed by ``signer``'s key."""

    def replace(data: asn1.SignedData) -> None:
        info = data.signers.as_list()[0]
        assert info.signed_attributes is not None
        info.signed_attributes = asn1.SetOf(how(info.signed_attributes.as_list()))
        info.signature = algorithms.sign(signer.key, asn1.encode(info.signed_attributes))
        data.signers = asn1.SetOf([info])

    return change(der, replace)


def first_signer(data: asn1.SignedData, **changes: object) -> None:
    """Set fields of the one SignerInfo."""
    info = data.signers.as_list()[0]
    for name, value in changes.items():
        setattr(info, name, value)
    data.signers = asn1.SetOf([info])
