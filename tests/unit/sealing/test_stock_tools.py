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
from sealing.envelope import SealedEnvelope
from sealing.payload import build_payload
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.openssl import run_openssl, write_trust
from tests.unit.sealing.builders import BIDDER, Commission, flipped, make_commission

PRIME = 2**255 - 19
FILES = {"نقشه و برآورد.pdf": b"%PDF-1.7 " * 300, "annex & 'rates'.txt": b"rates"}
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


def test_the_auditors_tools_refuse_what_was_altered(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope
) -> None:
    """The referee is no rubber stamp: a share or content with one bit of its tag turned does not open."""
    keys = write_member(tmp_path, commission, 1)
    blob, structure = sealed.blobs["C.share-1.der"], sealed.blobs["C.content.der"]
    opened = commission.open(sealed, (1, 2))
    digest = commission.context().digest()
    kek = hkdf(opened.member_secret + opened.custodian_secret, digest, b"mohr kek v1")
    ciphertext = sealed.blobs["C.content.bin"]

    assert decrypt_share(tmp_path, blob, keys) is not None
    assert decrypt_share(tmp_path, flipped(blob, -1), keys) is None
    assert decrypt_content(tmp_path, structure, ciphertext, kek) == opened.payload
    assert decrypt_content(tmp_path, flipped(structure, -1), ciphertext, kek) is None


def test_unzip_finds_the_container_whole(tmp_path: Path, payload: bytes) -> None:
    """Padding is an entry like any other, so unzip has nothing to warn of; bytes in front it does notice."""
    (tmp_path / "good.asice").write_bytes(payload)
    (tmp_path / "more.asice").write_bytes(b"MZ" + payload)
    good, more = unzip(tmp_path, "-t", "good.asice"), unzip(tmp_path, "-t", "more.asice")

    assert (good.returncode, good.stderr) == (0, b"")
    assert b"testing: META-INF/padding         OK" in good.stdout
    assert more.returncode != 0
