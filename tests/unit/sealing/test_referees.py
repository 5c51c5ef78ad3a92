"""Stock tools as referees: what an auditor can do without a line of this program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kernel.canonical import parse_canonical
from sealing.cms import KEK_IDENTIFIER
from sealing.coins import Secrets
from sealing.envelope import SealedEnvelope
from sealing.manifest import Manifest, seal_manifest
from sealing.payload import build_payload
from tests.support.openssl import run_openssl, write_signer, write_trust
from tests.unit.sealing.builders import BIDDER, Commission, flipped

CONTENT = {"price": {"amount": "900", "currency": "IRR"}}


@pytest.fixture(scope="module")
def payload(commission: Commission) -> bytes:
    authority = commission.authority
    signer = authority.organisation(BIDDER)
    return build_payload(
        commission.context(), CONTENT, {"نقشه.pdf": b"%PDF"}, signer, authority.now, 16_384, 1 << 20
    )


@pytest.fixture(scope="module")
def sealed(commission: Commission, payload: bytes) -> SealedEnvelope:
    return commission.seal(payload)


def decrypt_content(folder: Path, kek: bytes) -> tuple[bool, str]:
    """The form that the documentation gives to auditors."""
    return run_openssl(
        folder,
        *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "c.der", "-content", "c.bin"),
        *("-secretkey", kek.hex(), "-secretkeyid", KEK_IDENTIFIER.hex(), "-out", "opened"),
    )


def test_openssl_opens_the_content_with_the_recovered_key(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope, payload: bytes
) -> None:
    """From the two disclosed secrets stock OpenSSL comes to the very payload."""
    opened = commission.open(sealed, (1, 2, 3))
    kek = Secrets(opened.member_secret, opened.custodian_secret).kek(commission.context().digest())
    (tmp_path / "c.der").write_bytes(sealed.blobs["C.content.der"])
    (tmp_path / "c.bin").write_bytes(sealed.blobs["C.content.bin"])

    agreed, said = decrypt_content(tmp_path, kek)

    assert agreed, said
    assert (tmp_path / "opened").read_bytes() == payload


def test_openssl_refuses_altered_content(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope
) -> None:
    """The referee notices one altered bit, and another key: its agreement means something."""
    opened = commission.open(sealed, (1, 2, 3))
    kek = Secrets(opened.member_secret, opened.custodian_secret).kek(commission.context().digest())
    (tmp_path / "c.der").write_bytes(sealed.blobs["C.content.der"])
    (tmp_path / "c.bin").write_bytes(sealed.blobs["C.content.bin"])
    assert not decrypt_content(tmp_path, bytes(32))[0]

    (tmp_path / "c.bin").write_bytes(flipped(sealed.blobs["C.content.bin"], 5))
    assert not decrypt_content(tmp_path, kek)[0]


@pytest.mark.parametrize("index", [1, 5])
def test_openssl_opens_a_members_share(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope, index: int
) -> None:
    """A member opens his own share with his key and certificate, without our client."""
    member = commission.key_set.members[index - 1]
    write_signer(tmp_path, "member", commission.member_keys[index], member.encryption_certificate)
    (tmp_path / "share.der").write_bytes(sealed.blobs[f"C.share-{index}.der"])

    agreed, said = run_openssl(
        tmp_path,
        *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "share.der"),
        *("-inkey", "member.key", "-recip", "member.pem", "-out", "opened"),
    )

    assert agreed, said
    inside = parse_canonical((tmp_path / "opened").read_bytes())
    assert inside["index"] == index
    assert inside["share"] == commission.share(sealed, index).share.hex()
    assert inside["context_digest"] == commission.context().digest().hex()


def test_openssl_does_not_open_anothers_share(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope
) -> None:
    """With another member's key and certificate the referee finds nothing for them."""
    member = commission.key_set.members[1]
    write_signer(tmp_path, "member", commission.member_keys[2], member.encryption_certificate)
    (tmp_path / "share.der").write_bytes(sealed.blobs["C.share-1.der"])

    agreed, _ = run_openssl(
        tmp_path,
        *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "share.der"),
        *("-inkey", "member.key", "-recip", "member.pem", "-out", "opened"),
    )

    assert not agreed


def test_openssl_opens_the_custodians_share(
    tmp_path: Path, commission: Commission, sealed: SealedEnvelope
) -> None:
    """The custodian's key has no certificate; the referee opens with the key alone."""
    key: ec.EllipticCurvePrivateKey = commission.custodian_keys["C"]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "custodian.key").write_bytes(pem)
    (tmp_path / "share.der").write_bytes(sealed.blobs["C.share-0.der"])

    agreed, said = run_openssl(
        tmp_path,
        *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "share.der"),
        *("-inkey", "custodian.key", "-out", "opened"),
    )

    assert agreed, said
    inside = parse_canonical((tmp_path / "opened").read_bytes())
    assert inside["share"] == commission.share(sealed, 0).share.hex()


def test_openssl_reads_the_structures_as_what_they_are(tmp_path: Path, sealed: SealedEnvelope) -> None:
    """The referee prints the documented algorithms, and one recipient in each."""
    (tmp_path / "c.der").write_bytes(sealed.blobs["C.content.der"])
    (tmp_path / "s.der").write_bytes(sealed.blobs["C.share-1.der"])
    printed = [
        run_openssl(tmp_path, "cms", "-cmsout", "-print", "-inform", "DER", "-in", name)
        for name in ("c.der", "s.der")
    ]

    assert [agreed for agreed, _ in printed] == [True, True]
    content, share = (said for _, said in printed)
    for said in (content, share):
        assert "id-smime-ct-authEnvelopedData" in said
        assert "aes-256-gcm" in said
    assert content.count("d.kekri") == share.count("d.kari") == 1
    assert "id-aes256-wrap" in content
    assert "dhSinglePass-stdDH-sha256kdf-scheme" in share


def test_openssl_accepts_the_seal(tmp_path: Path, commission: Commission) -> None:
    """The referee verifies the seal as CAdES, and refuses it over one altered byte."""
    authority = commission.authority
    headers = {kind: commission.seal(bytes(1024), kind).header for kind in ("A", "B", "C")}
    manifest = Manifest.of(commission.context("A"), headers).document()
    signer = authority.organisation(BIDDER)
    seal = seal_manifest(manifest, signer, at=authority.now, timestamp=authority.stamp)
    write_trust(tmp_path, authority)
    (tmp_path / "seal.p7s").write_bytes(seal)
    arguments = [
        *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "seal.p7s", "-content", "m.json"),
        *("-CAfile", "root.pem", "-purpose", "any", "-out", "verified"),
        *("-attime", str(int(authority.now.timestamp()))),
    ]

    (tmp_path / "m.json").write_bytes(manifest)
    agreed, said = run_openssl(tmp_path, *arguments)
    assert agreed, said
    assert (tmp_path / "verified").read_bytes() == manifest

    (tmp_path / "m.json").write_bytes(flipped(manifest, 30))
    assert not run_openssl(tmp_path, *arguments)[0]


def test_openssl_accepts_the_inner_signature(tmp_path: Path, commission: Commission, payload: bytes) -> None:
    """unzip takes the container apart, and OpenSSL verifies the signature over its manifest."""
    program = shutil.which("unzip")
    if program is None:
        pytest.skip("unzip is not installed")
    (tmp_path / "bid.asice").write_bytes(payload)
    tested = subprocess.run(
        [program, "-tqq", "bid.asice"], cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    subprocess.run([program, "-qq", "bid.asice"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    write_trust(tmp_path, commission.authority)

    agreed, said = run_openssl(
        tmp_path,
        *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "META-INF/signature.p7s"),
        *("-content", "META-INF/ASiCManifest.xml", "-CAfile", "root.pem", "-purpose", "any"),
        *("-attime", str(int(commission.authority.now.timestamp())), "-out", "verified"),
    )

    assert agreed, said
    assert parse_canonical((tmp_path / "bid.json").read_bytes())["content"] == CONTENT
