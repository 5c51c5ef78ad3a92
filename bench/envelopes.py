"""Sealing, receiving and opening an envelope of 50 kB; five members, three open.

What is counted for the baselines. The custodian and n = 5 members hold the 6 shares of an envelope; k = 3 open it.

seal     For a submission: signatures over 3 containers, the seal, the time stamp. For each of its 3 envelopes: Shamir
         split; HKDF of content key, nonce and kek, and for each share of blinding, ephemeral key, key and nonce; 6 key
         pairs, 6 ECDH, 7 key wraps; AES-GCM over the container and 6 shares; SHA-256 of the file and of every blob.
receive  For a submission: 2 signatures verified, the seal and the time stamp; SHA-256 of every blob and header, the
         manifest and both certificates. Of a certificate that was never seen also the signature on it and the one
         on its authority; a running server has seen it when its holder signed in. The revocation lists and the
         authority for time stamps it has checked before.
open     4 shares (3 members, the custodian): point, ECDH, key unwrap, AES-GCM. Interpolation, by known weights, of the
         secret and the 2 shares that stayed away. HKDF of the kek, key unwrap, AES-GCM over the container. The rebuild:
         all that sealing counts for an envelope but the split. SHA-256 of every blob as stored and as rebuilt, and of
         the file. 1 signature verified.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench.figure import Figure
from bench.primitives import SHARE_BYTES, Bare
from bench.scene import FILE_BYTES, MEMBERS, THRESHOLD, Scene, Sealed
from kernel.canonical import sha256_hex
from pki.algorithms import der_of
from pki.trust import TrustStore
from sealing.context import KINDS
from sealing.envelope import EnvelopeHeader, content_name, share_name
from sealing.manifest import verify_seal
from sealing.opening import open_envelope
from sealing.payload import read_payload
from sealing.shares import open_share

_SHARES = MEMBERS + 1
_OPENERS = (1, 3, 5)
_SIZE = "n=5, k=3, 50 kB; for one of three envelopes of a submission"


def envelope_figures(scene: Scene, rounds: int) -> Iterator[Figure]:
    """envelope.seal, .receive, .receive.first, .open."""
    bare = Bare()
    known = scene.fresh()
    trust = scene.authority.trust_store()
    _receive(known, trust, scene)
    file = os.urandom(FILE_BYTES)
    yield Figure(
        "envelope.seal",
        f"bare: 5 signatures; per envelope split, 27 HKDF, 6 keys, 6 ECDH, 7 wraps, AES-GCM, SHA-256 ({_SIZE})",
        prepare=lambda number: known,
        measured=lambda given: scene.seal(given.bidder, file),
        bare=lambda given: _bare_seal(bare, given, file),
        rounds=rounds,
        per=len(KINDS),
    )
    yield Figure(
        "envelope.receive",
        f"bare: 2 signatures verified, SHA-256 of blobs, headers, manifest, certificates ({_SIZE})",
        prepare=lambda number: known,
        measured=lambda given: _receive(given, trust, scene),
        bare=lambda given: _bare_receive(bare, given, verified=2),
        rounds=rounds,
        per=len(KINDS),
    )
    yield Figure(
        "envelope.receive.first",
        f"bare: the same with 4 signatures verified: a certificate that was never seen ({_SIZE})",
        prepare=lambda number: scene.fresh(),
        measured=lambda given: _receive(given, trust, scene),
        bare=lambda given: _bare_receive(bare, given, verified=4),
        rounds=max(2, rounds // 4),
        per=len(KINDS),
    )
    ciphertext = bare.encrypted(bytes(len(known.blobs[content_name("C")])))
    small = bare.encrypted(bytes(SHARE_BYTES))
    yield Figure(
        "envelope.open",
        "bare: 4 shares opened, interpolation, AES-GCM both ways, 27 HKDF, 6 keys, 6 ECDH, 7 wraps, SHA-256, "
        "1 signature verified (n=5, k=3, 50 kB)",
        prepare=lambda number: known,
        measured=lambda given: _open(given, scene, trust),
        bare=lambda given: _bare_open(bare, given, file, ciphertext, small),
        rounds=rounds,
    )


def _receive(sealed: Sealed, trust: TrustStore, scene: Scene) -> None:
    """What the server does: seal, chain, stamp, headers, revocation now; then each blob against its header."""
    now = scene.authority.now
    report = verify_seal(
        sealed.manifest, sealed.seal, sealed.headers, trust, now=now, party=sealed.bidder.party
    )
    trust.validate(report.certificate, (), now, "signature")
    for header in report.headers.values():
        for name, (length, digest) in header.expected_blobs().items():
            blob = sealed.blobs[name]
            assert (len(blob), sha256_hex(blob)) == (length, digest)


def _open(sealed: Sealed, scene: Scene, trust: TrustStore) -> None:
    """Three members and the custodian open their shares of C; all is rebuilt and compared, the bid is read."""
    header = EnvelopeHeader.parse(sealed.headers["C"])
    keys = scene.commission.member_keys
    shares = [
        open_share(sealed.blobs[share_name("C", index)], keys[index], header, index) for index in _OPENERS
    ]
    custodian = scene.commission.custodian_keys["C"]
    release = open_share(sealed.blobs[share_name("C", 0)], custodian, header, 0)
    blobs = {name: sealed.blobs[name] for name in header.expected_blobs()}
    opened = open_envelope(header, blobs, scene.key_set, shares, release)
    payload = read_payload(opened.payload, header.context, trust, scene.authority.now, sealed.bidder.party)
    assert len(payload.files["offer.bin"]) == FILE_BYTES


def _bare_seal(bare: Bare, sealed: Sealed, file: bytes) -> None:
    bare.sign(len(KINDS) + 2)
    for kind in KINDS:
        bare.split(MEMBERS, THRESHOLD)
        _bare_write(bare, sealed, kind)
        bare.sha256(file, *_blobs(sealed, kind))


def _bare_write(bare: Bare, sealed: Sealed, kind: str) -> None:
    """What follows from the two secrets of an envelope, without hashes."""
    bare.hkdf(3 + 4 * _SHARES)
    bare.make_keys(_SHARES)
    bare.agree(_SHARES)
    bare.wrap(1 + _SHARES)
    bare.encrypt(sealed.blobs[content_name(kind)])
    bare.encrypt(bytes(SHARE_BYTES), _SHARES)


def _bare_receive(bare: Bare, sealed: Sealed, *, verified: int) -> None:
    bare.verify(verified)
    bare.sha256(*sealed.blobs.values(), *sealed.headers.values(), sealed.manifest)
    bare.sha256(*[der_of(sealed.bidder.certificate)] * 2)


def _bare_open(bare: Bare, sealed: Sealed, file: bytes, ciphertext: bytes, small: bytes) -> None:
    opened = THRESHOLD + 1
    bare.read_points(opened)
    bare.agree(opened)
    bare.unwrap(opened + 1)
    bare.decrypt(small, opened)
    bare.interpolate(1 + MEMBERS - THRESHOLD, THRESHOLD)
    bare.decrypt(ciphertext)
    bare.hkdf(1)
    _bare_write(bare, sealed, "C")
    bare.sha256(file, *_blobs(sealed, "C"), *_blobs(sealed, "C"))
    bare.verify(1)


def _blobs(sealed: Sealed, kind: str) -> list[bytes]:
    return [blob for name, blob in sealed.blobs.items() if name.startswith(f"{kind}.")]
