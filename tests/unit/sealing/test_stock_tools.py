"""An auditor without any of this code: OpenSSL, unzip, an XML parser and arithmetic open an envelope and agree."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kernel.clock import SystemClock
from pki.authority import pem_of
from sealing import cms
from sealing.envelope import EnvelopeHeader, SealedEnvelope
from sealing.manifest import Manifest, seal_manifest
from sealing.payload import build_payload
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.openssl import run_openssl, write_trust
from tests.unit.sealing.builders import BIDDER, Commission, flipped, make_commission

PRIME = 2**255 - 19
FILES = {"نقشه و برآورد.pdf": b"%PDF-1.7 " * 300, "annex annex & <table>.txt 'rates'.txt": b"rates"}
CONTENT = {"price": {"amount": "900", "currency": "IRR"}}
DECRYPT = ["cms", "-decrypt", "-binary", "-inform", "DER"]
VERIFY = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-CAfile", "root.pem", "-purpose", "any"]
ASIC = "{http://uri.etsi.org/02918/v1.2.1#}"
XMLDSIG = "{http://www.w3.org/2000/09/xmldsig#}"


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    """OpenSSL judges certificates by the machine's clock."""
    return make_authority(clock=SystemClock())


@pytest.fixture(scope="module")
def commission(authority: MemoryAuthority) -> Commission:
    return make_commission(members=4, threshold=2, authority=authority)


@pytest.fixture(scope="module")
def payload(authority: MemoryAuthority, commission: Commission) -> bytes:
    bidder = authority.organisation(BIDDER)
    return build_payload(commission.context(), CONTENT, FILES, bidder, authority.now, 8192, 1 << 20)


@pytest.fixture(scope="module")
def sealed(commission: Commission, payload: bytes) -> SealedEnvelope:
    return commission.seal(payload)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def write_member(folder: Path, commission: Commission, index: int) -> list[str]:
    """The member's key and certificate on disk, and the options that name them."""
    write_key(folder / "member.key", commission.member_keys[index])
    certificate = commission.key_set.members[index - 1].encryption_certificate
    (folder / "member.pem").write_bytes(pem_of([certificate]))
    return ["-inkey", "member.key", "-recip", "member.pem"]


def decrypt_share(folder: Path, blob: bytes, keys: list[str]) -> bytes | None:
    (folder / "share.der").write_bytes(blob)
    agreed, _ = run_openssl(folder, *DECRYPT, "-in", "share.der", *keys, "-out", "share.json")
    return (folder / "share.json").read_bytes() if agreed else None


def decrypt_content(folder: Path, structure: bytes, ciphertext: bytes, kek: bytes) -> bytes | None:
    (folder / "c.der").write_bytes(structure)
    (folder / "c.bin").write_bytes(ciphertext)
    key = ["-secretkey", kek.hex(), "-secretkeyid", b"mohr-envelope-1".hex()]
    agreed, _ = run_openssl(
        folder, *DECRYPT, "-in", "c.der", "-content", "c.bin", *key, "-out", "payload.zip"
    )
    return (folder / "payload.zip").read_bytes() if agreed else None


def interpolate(shares: dict[int, int]) -> int:
    """Lagrange's formula at 0 below the prime, written out."""
    secret = 0
    for x, y in shares.items():
        for other in shares:
            if other != x:
                y = y * other * pow(other - x, -1, PRIME) % PRIME
        secret = (secret + y) % PRIME
    return secret


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block of SHA-256."""
    extracted = hmac.digest(salt, key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def unzip(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("unzip")
    assert program is not None, "unzip is missing, see tools/debian-packages.txt"
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("index", [1, 4])
def test_openssl_opens_a_members_share(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope, index: int
) -> None:
    """With a member's key and certificate OpenSSL finds the same share that the member's client finds."""
    keys = write_member(tmp_path, commission, index)
    plaintext = decrypt_share(tmp_path, sealed.blobs[f"C.share-{index}.der"], keys)
    mine = commission.share(sealed, index)

    assert plaintext is not None
    assert json.loads(plaintext) == {
        "context_digest": commission.context().digest().hex(),
        "content_digest": hashlib.sha256(sealed.blobs["C.content.bin"]).hexdigest(),
        "index": index,
        "share": mine.share.hex(),
        "blinding": mine.blinding.hex(),
    }


def test_openssl_does_not_open_anothers_or_an_altered_share(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope
) -> None:
    """The referee is no rubber stamp: another member's blob and one with a bit turned do not open."""
    keys = write_member(tmp_path, commission, 1)
    blob = sealed.blobs["C.share-1.der"]

    assert decrypt_share(tmp_path, blob, keys) is not None
    assert decrypt_share(tmp_path, sealed.blobs["C.share-2.der"], keys) is None
    assert decrypt_share(tmp_path, flipped(blob, -1), keys) is None


def test_openssl_opens_the_content_and_refuses_an_altered_tag(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope, payload: bytes
) -> None:
    """The recovered key opens the detached content; with another key, tag or ciphertext OpenSSL refuses."""
    opened = commission.open(sealed, (1, 2))
    digest = commission.context().digest()
    kek = hkdf(opened.member_secret + opened.custodian_secret, digest, b"mohr kek v1")
    structure, ciphertext = sealed.blobs["C.content.der"], sealed.blobs["C.content.bin"]

    assert decrypt_content(tmp_path, structure, ciphertext, kek) == payload
    assert decrypt_content(tmp_path, structure, ciphertext, bytes(32)) is None
    assert decrypt_content(tmp_path, flipped(structure, -1), ciphertext, kek) is None
    assert decrypt_content(tmp_path, structure, flipped(ciphertext, 0), kek) is None


def test_the_content_key_has_its_documented_name(sealed: SealedEnvelope) -> None:
    """The key of the content goes by the name that is documented, which stock tools are given in hex."""
    assert cms.KEK_IDENTIFIER.hex() == "6d6f68722d656e76656c6f70652d31"
    assert bytes.fromhex("6d6f68722d656e76656c6f70652d31") in sealed.blobs["C.content.der"]


def test_an_auditor_opens_a_whole_envelope_without_this_code(
    tmp_path: Path, authority: MemoryAuthority, commission: Commission, sealed: SealedEnvelope
) -> None:
    """Shares by OpenSSL, the secret by Lagrange's formula, the key by HKDF, the content by OpenSSL and unzip.

    Every commitment is recomputed on the way, and the inner signature and digests are checked at the end.
    """
    header = json.loads(sealed.header)
    digest = hashlib.sha256(json.dumps(
        header["context"], ensure_ascii=False, separators=(",", ":"), sort_keys=True
    ).encode()).digest()  # fmt: skip
    write_key(tmp_path / "custodian.key", commission.custodian_keys["C"])
    keys = {0: ["-inkey", "custodian.key"]}
    values = {}
    for index in (0, 2, 4):
        holder = keys.get(index) or write_member(tmp_path, commission, index)
        plaintext = decrypt_share(tmp_path, sealed.blobs[f"C.share-{index}.der"], holder)
        assert plaintext is not None
        inside = json.loads(plaintext)
        values[index] = bytes.fromhex(inside["share"])
        committed = b"mohr share v1" + digest + bytes([index]) + values[index]
        committed += bytes.fromhex(inside["blinding"])
        assert hashlib.sha256(committed).hexdigest() == header["shares"][index]["commitment"]
    secret = interpolate({index: int.from_bytes(values[index], "big") for index in (2, 4)})
    kek = hkdf(secret.to_bytes(32, "big") + values[0], digest, b"mohr kek v1")
    assert hashlib.sha256(b"mohr kek v1" + digest + kek).hexdigest() == header["kek_commitment"]

    blobs = sealed.blobs
    assert decrypt_content(tmp_path, blobs["C.content.der"], blobs["C.content.bin"], kek) is not None
    assert unzip(tmp_path, "payload.zip").returncode == 0
    write_trust(tmp_path, authority)
    signed = ["-in", "META-INF/signature.p7s", "-content", "META-INF/ASiCManifest.xml"]
    agreed, said = run_openssl(tmp_path, *VERIFY, *signed)
    assert agreed, said
    bid = json.loads((tmp_path / "bid.json").read_bytes())
    assert bid == {"type": "mohr/bid/v1", "context": header["context"], "content": CONTENT}
    assert digests_in_manifest(tmp_path) == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("bid.json", *FILES)
    }


def digests_in_manifest(folder: Path) -> dict[str, bytes]:
    root = ElementTree.parse(folder / "META-INF" / "ASiCManifest.xml").getroot()
    return {
        reference.attrib["URI"]: b64decode(reference.findtext(f"{XMLDSIG}DigestValue") or "")
        for reference in root.findall(f"{ASIC}DataObjectReference")
    }


def test_unzip_accepts_the_container(tmp_path: Path, payload: bytes) -> None:
    """Padding is an entry like any other, so nothing is beside the archive; with bytes behind it unzip warns."""
    (tmp_path / "good.asice").write_bytes(payload)
    (tmp_path / "more.asice").write_bytes(payload + bytes(100))
    good, more = unzip(tmp_path, "-t", "good.asice"), unzip(tmp_path, "-t", "more.asice")

    assert (good.returncode, good.stderr) == (0, b"")
    assert b"No errors detected" in good.stdout
    assert more.returncode != 0


def test_openssl_accepts_the_seal(
    tmp_path: Path, authority: MemoryAuthority, commission: Commission, sealed: SealedEnvelope
) -> None:
    """``openssl cms -verify -cades`` accepts a stamped seal over its manifest, and over no other."""
    headers = {kind: commission.seal(bytes(1024), kind).header for kind in "AB"} | {"C": sealed.header}
    manifest = Manifest.of(EnvelopeHeader.parse(sealed.header).context, headers).document()
    bidder = authority.organisation(BIDDER)
    seal = seal_manifest(manifest, bidder, at=authority.now, timestamp=authority.stamp)
    write_trust(tmp_path, authority)
    (tmp_path / "seal.p7s").write_bytes(seal)
    (tmp_path / "m.json").write_bytes(manifest)
    (tmp_path / "other.json").write_bytes(
        manifest.replace(b'"submission_number":1', b'"submission_number":2')
    )

    agreed, said = run_openssl(tmp_path, *VERIFY, "-in", "seal.p7s", "-content", "m.json")
    assert agreed, said
    assert "CAdES Verification successful" in said
    agreed, _ = run_openssl(tmp_path, *VERIFY, "-in", "seal.p7s", "-content", "other.json")
    assert not agreed
