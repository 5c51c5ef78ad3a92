"""Shares: what is inside a share blob, how it is bound to its header, and how a member opens its own.

A client that opens shares is no decryption oracle: it takes this one form only, compares context, content and
index inside with the header outside, and returns nothing that fails its commitment.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import DomainError
from sealing import cms, shamir
from sealing.coins import SECRET_BYTES
from sealing.errors import ShareInvalid

if TYPE_CHECKING:
    from sealing.envelope import EnvelopeHeader

_FIELDS = {"context_digest", "content_digest", "index", "share", "blinding"}
_MAX_PLAINTEXT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Share:
    """``share`` and ``blinding`` are 32 bytes each; index 0 is the custodian's secret."""

    index: int
    share: bytes = field(repr=False)
    blinding: bytes = field(repr=False)


def share_plaintext(share: Share, context_digest: bytes, content_digest: str) -> bytes:
    """The canonical JSON that is encrypted to the holder of a share."""
    return canonical_bytes(
        {
            "context_digest": context_digest.hex(),
            "content_digest": content_digest,
            "index": share.index,
            "share": share.share.hex(),
            "blinding": share.blinding.hex(),
        }
    )


def commitment_of(context_digest: bytes, share: Share) -> str:
    """SHA-256("mohr share v1" || context digest || index || share || blinding), in hex."""
    data = b"mohr share v1" + context_digest + bytes([share.index]) + share.share + share.blinding
    return sha256_hex(data)


def kek_commitment_of(context_digest: bytes, kek: bytes) -> str:
    """SHA-256("mohr kek v1" || context digest || kek), in hex."""
    return hashlib.sha256(b"mohr kek v1" + context_digest + kek).hexdigest()


def open_share(
    blob: bytes, private_key: ec.EllipticCurvePrivateKey, header: EnvelopeHeader, index: int
) -> Share:
    """Decrypt one's own share and check it against the header. Raises ShareInvalid, and then returns nothing."""
    if not 0 <= index < len(header.shares):
        raise ShareInvalid("the header has no share of that index", index=index)
    entry = header.share(index)
    if (len(blob), sha256_hex(blob)) != (entry.length, entry.digest):
        raise ShareInvalid("the blob is not the one that the header names", index=index)
    try:
        plaintext = cms.decrypt_share(cms.read_share(blob), private_key)
        value = parse_canonical(plaintext, max_bytes=_MAX_PLAINTEXT_BYTES, max_depth=1)
    except ShareInvalid:
        raise
    except DomainError as error:
        raise ShareInvalid("the blob or its plaintext has not its one form", index=index) from error
    share = _read(value, header, index)
    check_share(header, share)
    if share_plaintext(share, header.context.digest(), header.digest) != plaintext:
        raise ShareInvalid("the plaintext has not its one form", index=index)
    return share


def check_share(header: EnvelopeHeader, share: Share) -> None:
    """Raises ShareInvalid unless the share is of its one form and fits the header's commitment."""
    if not 0 <= share.index < len(header.shares):
        raise ShareInvalid("the header has no share of that index", index=share.index)
    if len(share.share) != SECRET_BYTES or len(share.blinding) != SECRET_BYTES:
        raise ShareInvalid("share and blinding are 32 bytes each", index=share.index)
    if share.index and not shamir.is_value(share.share):
        raise ShareInvalid("the share is not a number below the prime", index=share.index)
    committed = header.share(share.index).commitment
    if not hmac.compare_digest(commitment_of(header.context.digest(), share), committed):
        raise ShareInvalid("the share does not fit its commitment", index=share.index)


def _read(value: dict[str, Any], header: EnvelopeHeader, index: int) -> Share:
    expected = {
        "context_digest": header.context.digest().hex(),
        "content_digest": header.digest,
        "index": index,
    }
    if set(value) != _FIELDS:
        raise ShareInvalid("a share has exactly its five fields", index=index)
    if any(value[name] != each for name, each in expected.items()):
        raise ShareInvalid("the share inside belongs to another envelope", index=index)
    try:
        share, blinding = bytes.fromhex(value["share"]), bytes.fromhex(value["blinding"])
    except (TypeError, ValueError) as error:
        raise ShareInvalid("share and blinding are hexadecimal", index=index) from error
    return Share(index, share, blinding)
