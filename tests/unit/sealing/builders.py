"""A commission with real keys, honest envelopes, and envelopes dealt or altered by somebody dishonest.

commission = make_commission(members=5, threshold=3)
sealed = commission.seal(bytes(4096))
shares = commission.member_shares(sealed, (1, 2, 4))
altered = with_blob(sealed, "C.share-2.der", other)       # and a header that names the new bytes
"""

from __future__ import annotations

import secrets as system_random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from pki.algorithms import fingerprint_of
from sealing import shamir
from sealing.coins import Secrets
from sealing.context import KINDS, EnvelopeContext
from sealing.envelope import (
    EnvelopeHeader,
    SealedEnvelope,
    cms_name,
    content_name,
    seal_envelope,
    share_name,
    write_envelope,
)
from sealing.key_set import CustodianKeys, KeySet, KeySetMember
from sealing.opening import OpenedEnvelope, open_envelope
from sealing.shares import Share, open_share
from signing.cms import Signer, sign_detached
from tests.support.authority import MemoryAuthority, make_authority

TENDER = "01930000-0000-7000-8000-000000000001"
BIDDER = "IRO-14001234567"
CUSTODIAN = "IRO-CUSTODIAN"
NOTICE_DIGEST = "11" * 32


@dataclass(frozen=True)
class Commission:
    """Members with both keys, the custodian with its three, and the key set of all."""

    authority: MemoryAuthority
    signers: Mapping[str, Signer]
    member_keys: Mapping[int, ec.EllipticCurvePrivateKey]
    custodian_keys: Mapping[str, ec.EllipticCurvePrivateKey]
    key_set: KeySet

    def context(self, kind: str = "C", **changes: Any) -> EnvelopeContext:
        honest = EnvelopeContext(NOTICE_DIGEST, TENDER, "1", BIDDER, kind, 1, self.key_set.digest)
        return replace(honest, **changes)

    def seal(self, payload: bytes, kind: str = "C", **changes: Any) -> SealedEnvelope:
        return seal_envelope(payload, self.context(kind, **changes), self.key_set)

    def deal(
        self,
        payload: bytes,
        *,
        change: Mapping[int, bytes] | None = None,
        threshold: int | None = None,
        secrets: Secrets | None = None,
    ) -> SealedEnvelope:
        """What a bidder with a client of his own can write: other share values, another threshold."""
        secrets = secrets or fresh_secrets()
        values = shamir.split(
            secrets.member, threshold=threshold or self.key_set.threshold, count=len(self.key_set.members)
        )
        return write_envelope(payload, self.context(), self.key_set, secrets, {**values, **(change or {})})

    def share(self, sealed: SealedEnvelope, index: int) -> Share:
        header = EnvelopeHeader.parse(sealed.header)
        kind = header.context.kind
        key = self.member_keys[index] if index else self.custodian_keys[kind]
        return open_share(sealed.blobs[share_name(kind, index)], key, header, index)

    def member_shares(self, sealed: SealedEnvelope, indexes: Collection[int]) -> list[Share]:
        return [self.share(sealed, index) for index in indexes]

    def open(self, sealed: SealedEnvelope, indexes: Collection[int]) -> OpenedEnvelope:
        header = EnvelopeHeader.parse(sealed.header)
        shares = self.member_shares(sealed, indexes)
        return open_envelope(header, sealed.blobs, self.key_set, shares, self.share(sealed, 0))

    def countersignatures(self, document: bytes) -> dict[str, bytes]:
        return {
            party: sign_detached(document, signer, at=self.authority.now)
            for party, signer in self.signers.items()
        }


def make_commission(
    members: int = 5, threshold: int = 3, *, authority: MemoryAuthority | None = None
) -> Commission:
    authority = authority or make_authority()
    parties = [f"IR-00{index:08}" for index in range(1, members + 1)]
    signers = {party: authority.person(party) for party in parties}
    signers[CUSTODIAN] = authority.service(CUSTODIAN)
    keys, places = {}, []
    for index, party in enumerate(parties, start=1):
        keys[index], certificate = authority.member_encryption(party)
        places.append(
            KeySetMember.of(
                index,
                party,
                signing_certificate=fingerprint_of(signers[party].certificate),
                encryption_certificate=certificate.public_bytes(Encoding.DER),
            )
        )
    custodian_keys = {kind: ec.generate_private_key(ec.SECP256R1()) for kind in KINDS}
    custodian = CustodianKeys(
        CUSTODIAN,
        fingerprint_of(signers[CUSTODIAN].certificate),
        {kind: spki(key) for kind, key in custodian_keys.items()},
    )
    key_set = KeySet.build(
        tender=TENDER, threshold=threshold, members=places, custodian=custodian, created_at=authority.now
    )
    return Commission(authority, signers, keys, custodian_keys, key_set)


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fresh_secrets() -> Secrets:
    return Secrets(shamir.new_secret(), system_random.token_bytes(32))


def with_header(sealed: SealedEnvelope, change: Callable[[dict[str, Any]], None]) -> SealedEnvelope:
    """The envelope with its header changed in place by ``change`` and written canonically again."""
    value = parse_canonical(sealed.header)
    change(value)
    return SealedEnvelope(canonical_bytes(value), sealed.blobs)


def with_blob(sealed: SealedEnvelope, name: str, blob: bytes) -> SealedEnvelope:
    """The envelope with other bytes under a name, and a header that says so, as only its bidder could seal it."""

    def declare(value: dict[str, Any]) -> None:
        kind = value["context"]["kind"]
        if name == content_name(kind):
            value["content"] |= {"length": len(blob), "digest": sha256_hex(blob)}
        elif name == cms_name(kind):
            value["content"] |= {"cms_length": len(blob), "cms_digest": sha256_hex(blob)}
        else:
            entry = next(each for each in value["shares"] if share_name(kind, each["index"]) == name)
            entry |= {"length": len(blob), "digest": sha256_hex(blob)}

    return with_header(SealedEnvelope(sealed.header, {**sealed.blobs, name: blob}), declare)


def flipped(data: bytes, position: int) -> bytes:
    """The data with one bit of one byte turned; negative positions count from the end."""
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)
