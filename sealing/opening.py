"""Opening: recover both secrets, decrypt, then write the whole envelope again and compare every byte.

Steps, cited where they run: (1) header, key set and stored blobs belong together; (2) at least k distinct
shares and the custodian's fit their commitments; (3) the secrets recovered lead to the committed key; (4) the
content decrypts; (5) everything rebuilt equals everything stored. After (2) whatever fails was dealt by the
bidder, who alone knew all of it. Since (5) covers the shares of those absent too, a bid opens to one content
or to none, whoever attends.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kernel.canonical import sha256_hex
from sealing import cms, shamir
from sealing.coins import Secrets
from sealing.envelope import (
    CUSTODIAN_INDEX,
    EnvelopeHeader,
    SealedEnvelope,
    cms_name,
    content_name,
    share_name,
    write_envelope,
)
from sealing.errors import Disputed, EnvelopeInvalid, ShareInvalid, Unopenable
from sealing.key_set import KeySet
from sealing.shares import Share, check_share, kek_commitment_of


@dataclass(frozen=True, slots=True)
class BadShareVerdict:
    """``named`` is the party whose doing it is, ``evidence`` the blob or commitment that shows it."""

    named: str
    evidence: str


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """The payload (an ASiC-E container) and the two secrets, by which anybody can repeat the opening."""

    payload: bytes = field(repr=False)
    member_secret: bytes = field(repr=False)
    custodian_secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    opened: OpenedEnvelope = field(repr=False)
    envelope: SealedEnvelope = field(repr=False)


def open_envelope(
    header: EnvelopeHeader,
    blobs: Mapping[str, bytes],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
) -> OpenedEnvelope:
    """The content, or a typed refusal.

    Raises EnvelopeInvalid when the stored blobs are not the header's (the keeper's doing), Disputed when
    fewer than k shares are good, Unopenable naming the bidder when what was dealt does not fit together.
    """
    _check_stored(header, blobs, key_set)  # (1)
    rebuilt = _rebuild(header, blobs, key_set, member_shares, custodian_share)  # (2) to (4)
    _compare(header, blobs, rebuilt.envelope)  # (5)
    return rebuilt.opened


def verify_opened(
    header: EnvelopeHeader,
    blobs: Mapping[str, bytes],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
) -> OpenedEnvelope:
    """What an auditor does with the shares disclosed: exactly the opening, once more."""
    return open_envelope(header, blobs, key_set, member_shares, custodian_share)


def judge_bad_share(
    header: EnvelopeHeader,
    blobs: Mapping[str, bytes],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
    index: int,
) -> BadShareVerdict:
    """Whose doing it is that a member's share is said to be bad: the member's or the bidder's.

    Judged by the shares of the others; the one in question is left aside. The member is named only if his
    stored blob, commitment and content digest are those rebuilt: then the blob opens for him to a share that
    fits. It says nothing of the bytes that somebody may have handed him instead. Raises EnvelopeInvalid as
    ``open_envelope`` does, Disputed when too few good shares remain to judge by: then nobody is named.
    """
    _check_stored(header, blobs, key_set)
    parties = {member.index: member.party for member in key_set.members}
    if index not in parties:
        raise EnvelopeInvalid("the key set has no member of that index", index=index)
    others = [share for share in member_shares if share.index != index]
    name = share_name(header.context.kind, index)
    try:
        rebuilt = _rebuild(header, blobs, key_set, others, custodian_share).envelope
    except Unopenable as error:
        return BadShareVerdict(error.named, error.evidence)
    again = EnvelopeHeader.parse(rebuilt.header)
    # The entry holds the blob's digest, and the stored blob is the one that the stored header names.
    same = again.share(index) == header.share(index) and again.digest == header.digest
    return BadShareVerdict(parties[index] if same else header.context.bidder, name)


def _check_stored(header: EnvelopeHeader, blobs: Mapping[str, bytes], key_set: KeySet) -> None:
    context = header.context
    if (context.tender, context.key_set_digest) != (key_set.tender, key_set.digest):
        raise EnvelopeInvalid("the envelope was sealed to another key set")
    if len(header.shares) != len(key_set.members) + 1:
        raise EnvelopeInvalid("the header has not one share for each holder of the key set")
    for name, (length, digest) in header.expected_blobs().items():
        blob = blobs.get(name)
        if blob is None or len(blob) != length or sha256_hex(blob) != digest:
            raise EnvelopeInvalid("a stored blob is not the one that the header names", name=name)


def _good_shares(header: EnvelopeHeader, shares: Sequence[Share], threshold: int) -> dict[int, bytes]:
    good: dict[int, bytes] = {}
    for share in shares:
        if share.index == CUSTODIAN_INDEX:
            continue
        try:
            check_share(header, share)
        except ShareInvalid:
            continue
        good[share.index] = share.share
    if len(good) < threshold:
        raise Disputed("too few good shares", good=len(good), needed=threshold)
    return {index: good[index] for index in sorted(good)[:threshold]}


def _check_custodian(header: EnvelopeHeader, share: Share) -> None:
    try:
        if share.index != CUSTODIAN_INDEX:
            raise ShareInvalid("the custodian's share has index 0", index=share.index)
        check_share(header, share)
    except ShareInvalid as error:
        raise Disputed(f"the custodian's share is not good: {error.detail}") from error


def _rebuild(
    header: EnvelopeHeader,
    blobs: Mapping[str, bytes],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
) -> _Rebuilt:
    good = _good_shares(header, member_shares, key_set.threshold)  # (2)
    _check_custodian(header, custodian_share)
    secrets = Secrets(shamir.value_at(good, 0), custodian_share.share)
    context_digest = header.context.digest()
    kek = secrets.kek(context_digest)
    if not hmac.compare_digest(kek_commitment_of(context_digest, kek), header.kek_commitment):  # (3)
        raise Unopenable(
            "the shares dealt lead to another key than the one committed to",
            named=header.context.bidder,
            evidence="kek_commitment",
        )
    payload = _decrypt(header, blobs, kek)  # (4)
    values = {member.index: shamir.value_at(good, member.index) for member in key_set.members}
    envelope = write_envelope(payload, header.context, key_set, secrets, values)
    return _Rebuilt(OpenedEnvelope(payload, secrets.member, secrets.custodian), envelope)


def _decrypt(header: EnvelopeHeader, blobs: Mapping[str, bytes], kek: bytes) -> bytes:
    kind = header.context.kind
    try:
        structure = cms.read_content(blobs[cms_name(kind)])
        return cms.decrypt_content(structure, kek, blobs[content_name(kind)])[0]
    except EnvelopeInvalid as error:
        raise Unopenable(error.detail, named=header.context.bidder, evidence=cms_name(kind)) from error


def _compare(header: EnvelopeHeader, blobs: Mapping[str, bytes], rebuilt: SealedEnvelope) -> None:
    bidder = header.context.bidder
    for name, blob in rebuilt.blobs.items():
        if not hmac.compare_digest(blob, blobs[name]):
            raise Unopenable("a stored blob differs from its rebuild", named=bidder, evidence=name)
    if not hmac.compare_digest(rebuilt.header, header.document):
        again = EnvelopeHeader.parse(rebuilt.header)
        differing = [
            stored.index for stored, made in zip(header.shares, again.shares, strict=True) if stored != made
        ]
        evidence = f"commitment-{differing[0]}" if differing else "header"
        raise Unopenable("the header differs from its rebuild", named=bidder, evidence=evidence)
