"""OpenSSL and pyHanko's parser as referees: they accept what we sign, and we verify what OpenSSL signs."""

from __future__ import annotations

from pathlib import Path

import pytest
from asn1crypto import cms, tsp
from cryptography.hazmat.primitives import hashes

from kernel.clock import SystemClock
from signing.cms import Signer, sign_detached, verify_detached
from signing.errors import SignatureInvalid
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.openssl import run_openssl, write_signer, write_trust

CONTENT = '{"title":"آسفالت","type":"mohr/example/v1"}'.encode()
VERIFY = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "seal.p7s"]
VERIFY += ["-content", "m.json", "-CAfile", "root.pem", "-purpose", "any"]
SIGN = ["cms", "-sign", "-binary", "-in", "m.json", "-outform", "DER", "-out", "theirs.p7s"]
SIGN += ["-signer", "person.pem", "-inkey", "person.key"]


def _folder(tmp_path: Path, kind: str) -> tuple[MemoryAuthority, Signer]:
    authority = make_authority(clock=SystemClock())
    signer = authority.person("IR-1", "زهرا مرادی", kind=kind)
    write_trust(tmp_path, authority)
    write_signer(tmp_path, "person", signer.key, signer.certificate)
    (tmp_path / "m.json").write_bytes(CONTENT)
    return authority, signer


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA"])
@pytest.mark.parametrize("stamped", [False, True])
def test_openssl_accepts_ours(tmp_path: Path, kind: str, stamped: bool) -> None:
    """``openssl cms -verify -cades`` accepts ours with only the root at hand, and rejects other content."""
    authority, signer = _folder(tmp_path, kind)
    stamp = authority.stamp if stamped else None
    (tmp_path / "seal.p7s").write_bytes(sign_detached(CONTENT, signer, at=authority.now, timestamp=stamp))
    agreed, said = run_openssl(tmp_path, *VERIFY)
    assert agreed, said
    assert "CAdES Verification successful" in said
    (tmp_path / "m.json").write_bytes(CONTENT + b" ")
    agreed, _ = run_openssl(tmp_path, *VERIFY)
    assert not agreed


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("P-256", ()),
        ("P-384", ("-md", "sha384")),
        ("RSA", ()),
        ("RSA", ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32")),
        ("P-256", ("-nosmimecap",)),
    ],
)
def test_we_accept_openssl(tmp_path: Path, kind: str, extra: tuple[str, ...]) -> None:
    """CAdES signatures made by OpenSSL verify here, and not over other content."""
    authority, signer = _folder(tmp_path, kind)
    agreed, said = run_openssl(tmp_path, *SIGN, "-cades", "-certfile", "ca.pem", *extra)
    assert agreed, said
    der = (tmp_path / "theirs.p7s").read_bytes()
    trust = authority.trust_store()
    assert verify_detached(CONTENT, der, trust, now=authority.now).party == signer.party
    with pytest.raises(SignatureInvalid):
        verify_detached(CONTENT + b" ", der, trust, now=authority.now)


def test_plain_cms_is_refused(tmp_path: Path) -> None:
    """A CMS signature that OpenSSL makes without the CAdES attribute is not enough."""
    authority, _ = _folder(tmp_path, "P-256")
    agreed, said = run_openssl(tmp_path, *SIGN, "-md", "sha256")
    assert agreed, said
    with pytest.raises(SignatureInvalid, match="missing"):
        verify_detached(
            CONTENT, (tmp_path / "theirs.p7s").read_bytes(), authority.trust_store(), now=authority.now
        )


def test_another_parser_reads_the_same() -> None:
    """asn1crypto, which shares no code with our writer, reads the attributes that were meant."""
    authority = make_authority()
    signer = authority.person("IR-1")
    der = sign_detached(CONTENT, signer, at=authority.now, timestamp=authority.stamp)
    data = cms.ContentInfo.load(der, strict=True)["content"]
    info = data["signer_infos"][0]
    attributes = {item["type"].native: item["values"][0] for item in info["signed_attrs"]}
    assert set(attributes) == {"content_type", "message_digest", "signing_time", "signing_certificate_v2"}
    named = tsp.SigningCertificateV2.load(attributes["signing_certificate_v2"].dump())["certs"][0]
    assert named["cert_hash"].native == signer.certificate.fingerprint(hashes.SHA256())
    assert attributes["signing_time"].native == authority.now
    assert info["sid"].chosen["serial_number"].native == signer.certificate.serial_number
    assert data["encap_content_info"]["content"].native is None
    assert [item["type"].native for item in info["unsigned_attrs"]] == ["signature_time_stamp_token"]
