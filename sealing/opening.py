"""Opening: recover both secrets, decrypt, then write the whole envelope again and compare every byte.

Steps, cited where they run: (1) header, key set and stored blobs belong together; (2) at least k distinct
shares and the custodian's fit their commitments; (3) the secrets recovered lead to the committed key; (4) the
content decrypts; (5) everything rebuilt equals everything stored. After (2) whatever fails was dealt by the
bidder, who alone knew all of it. Since (5) covers the shares of those absent too, a bid opens to one content
or to none, whoever attends.

A ciphertext is decrypted and encrypted again piece by piece, so that its length costs no memory. Nothing of the
plaintext is anybody's before (5) has passed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO

from sealing import cms, shamir
from sealing.coins import Secrets
from sealing.content import Blob, measure, pieces_of
from sealing.envelope import (
    CUSTODIAN_INDEX,
    Ciphertext,
    EnvelopeHeader,
    SealedEnvelope,
    cms_name,
    content_name,
    frame_envelope,
    share_name,
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
    """``same_content``: whether the ciphertext stored is the one that follows from the secrets."""

    secrets: Secrets = field(repr=False)
    envelope: SealedEnvelope = field(repr=False)
    same_content: bool


def open_envelope(
    header: EnvelopeHeader,
    blobs: Mapping[str, Blob],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
) -> OpenedEnvelope:
    """The content, held, or a typed refusal.

    Raises EnvelopeInvalid when the stored blobs are not the header's (the keeper's doing), Disputed when
    fewer than k shares are good, Unopenable naming the bidder when what was dealt does not fit together.
    """
    payload: list[bytes] = []
    secrets = _open(header, blobs, key_set, member_shares, custodian_share, payload.append)
    return OpenedEnvelope(b"".join(payload), secrets.member, secrets.custodian)


def open_envelope_to(
    header: EnvelopeHeader,
    blobs: Mapping[str, Blob],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
    target: IO[bytes],
) -> Secrets:
    """As ``open_envelope``, with the content written to ``target``, an empty file that nobody else can read.

    Whatever is raised, ``target`` is empty again.
    """
    try:
        return _open(header, blobs, key_set, member_shares, custodian_share, target.write)
    except BaseException:
        target.seek(0)
        target.truncate()
        raise


def decrypt_to(
    header: EnvelopeHeader, blobs: Mapping[str, Blob], secrets: Secrets, target: IO[bytes]
) -> None:
    """The content of an envelope that was opened before, by its disclosed secrets; of ``blobs`` only the content.

    Raises EnvelopeInvalid, and then ``target`` is empty again. It judges nobody: who dealt what was established
    by the opening.
    """
    kind, context_digest = header.context.kind, header.context.digest()
    kek = secrets.kek(context_digest)
    try:
        if kek_commitment_of(context_digest, kek) != header.kek_commitment:
            raise EnvelopeInvalid("the secrets are not those of the envelope")
        structure = _held(blobs[cms_name(kind)])
        if measure(structure) != (header.cms_length, header.cms_digest):
            raise EnvelopeInvalid("a stored blob is not the one that the header names", name=cms_name(kind))
        reader = cms.ContentReader(cms.read_content(structure), kek)
        for piece in pieces_of(blobs[content_name(kind)]):
            target.write(reader.update(piece))
        reader.verify()
    except BaseException:
        target.seek(0)
        target.truncate()
        raise


def verify_opened(
    header: EnvelopeHeader,
    blobs: Mapping[str, Blob],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
) -> OpenedEnvelope:
    """What an auditor does with the shares disclosed: exactly the opening, once more."""
    return open_envelope(header, blobs, key_set, member_shares, custodian_share)


def _open(
    header: EnvelopeHeader,
    blobs: Mapping[str, Blob],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
    keep: Callable[[bytes], object],
) -> Secrets:
    _check_stored(header, blobs, key_set)  # (1)
    rebuilt = _rebuild(header, blobs, key_set, member_shares, custodian_share, keep)  # (2) to (4)
    _compare(header, blobs, rebuilt)  # (5)
    return rebuilt.secrets


def judge_bad_share(
    header: EnvelopeHeader,
    blobs: Mapping[str, Blob],
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
        rebuilt = _rebuild(header, blobs, key_set, others, custodian_share, _forget).envelope
    except Unopenable as error:
        return BadShareVerdict(error.named, error.evidence)
    again = EnvelopeHeader.parse(rebuilt.header)
    # The entry holds the blob's digest, and the stored blob is the one that the stored header names.
    same = again.share(index) == header.share(index) and again.digest == header.digest
    return BadShareVerdict(parties[index] if same else header.context.bidder, name)


def _check_stored(header: EnvelopeHeader, blobs: Mapping[str, Blob], key_set: KeySet) -> None:
    context = header.context
    if (context.tender, context.key_set_digest) != (key_set.tender, key_set.digest):
        raise EnvelopeInvalid("the envelope was sealed to another key set")
    if len(header.shares) != len(key_set.members) + 1:
        raise EnvelopeInvalid("the header has not one share for each holder of the key set")
    for name, expected in header.expected_blobs().items():
        blob = blobs.get(name)
        if blob is None or measure(blob) != expected:
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
    blobs: Mapping[str, Blob],
    key_set: KeySet,
    member_shares: Sequence[Share],
    custodian_share: Share,
    keep: Callable[[bytes], object],
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
    ciphertext = _write_content_again(header, blobs, secrets, kek, keep)  # (4)
    values = {member.index: shamir.value_at(good, member.index) for member in key_set.members}
    envelope = frame_envelope(ciphertext, header.context, key_set, secrets, values)
    return _Rebuilt(secrets, envelope, ciphertext.digest == header.digest)


def _write_content_again(
    header: EnvelopeHeader,
    blobs: Mapping[str, Blob],
    secrets: Secrets,
    kek: bytes,
    keep: Callable[[bytes], object],
) -> Ciphertext:
    """Decrypt, and encrypt again with the key and nonce that an honest bidder would have used."""
    kind = header.context.kind
    key, nonce = secrets.key("content"), secrets.nonce("content")
    writer = cms.ContentWriter(key, nonce)
    # One hash serves for what is stored and what is made, until they differ.
    made = stored = sha256()
    try:
        reader = cms.ContentReader(cms.read_content(_held(blobs[cms_name(kind)])), kek)
        for piece in pieces_of(blobs[content_name(kind)]):
            plaintext = reader.update(piece)
            keep(plaintext)
            again = writer.update(plaintext)
            if made is stored and not hmac.compare_digest(again, piece):
                stored = made.copy()
            made.update(again)
            if made is not stored:
                stored.update(piece)
        unchanged = stored.hexdigest() == header.digest
        if unchanged:
            reader.verify()
    except EnvelopeInvalid as error:
        raise Unopenable(error.detail, named=header.context.bidder, evidence=cms_name(kind)) from error
    if not unchanged:
        raise EnvelopeInvalid("a stored blob was changed while it was read", name=content_name(kind))
    structure = cms.content_structure(kek, key, nonce, writer.tag())
    return Ciphertext(header.length, made.hexdigest(), structure)


def _compare(header: EnvelopeHeader, blobs: Mapping[str, Blob], rebuilt: _Rebuilt) -> None:
    bidder, envelope = header.context.bidder, rebuilt.envelope
    same = {content_name(header.context.kind): rebuilt.same_content}
    for name, blob in envelope.blobs.items():
        same[name] = hmac.compare_digest(blob, _held(blobs[name]))
    for name, is_same in same.items():
        if not is_same:
            raise Unopenable("a stored blob differs from its rebuild", named=bidder, evidence=name)
    if not hmac.compare_digest(envelope.header, header.document):
        again = EnvelopeHeader.parse(envelope.header)
        differing = [
            stored.index for stored, made in zip(header.shares, again.shares, strict=True) if stored != made
        ]
        evidence = f"commitment-{differing[0]}" if differing else "header"
        raise Unopenable("the header differs from its rebuild", named=bidder, evidence=evidence)


def _held(blob: Blob) -> bytes:
    """A blob that the header, which was compared, allows ``cms.MAX_CMS_BYTES`` at most."""
    return blob if isinstance(blob, bytes) else b"".join(blob.pieces())


def _forget(_piece: bytes) -> None:
    return None
