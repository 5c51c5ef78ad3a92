"""The authority of an installation: made once, found again, and marked when it is only a demonstration."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from kernel.errors import Conflict, MalformedInput, NotFound
from pki.authority import make_request
from pki.beginning import initialise_authority
from pki.errors import KeyUnavailable
from pki.installation import Authority, open_authority
from pki.names import Subject, party_of
from pki.profiles import SERVICE_SEAL
from pki.revocation_lists import build_crl
from pki.signed_data import Signer
from pki.trust import TrustStore
from signing.cms import sign_detached, verify_detached
from tests.support.authority import START, make_key
from tests.support.registry import CHEAP, PASSPHRASE, make_office


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _trust(authority: Authority) -> TrustStore:
    crls = [build_crl(each.key, each.certificate, [], 1, START) for each in authority.issuers]
    return TrustStore([authority.root.certificate], list(authority.chain), crls)


def test_receipt_key_signs(tmp_path: Path) -> None:
    """What the receipt key signs verifies under the new root, with the first lists of both authorities."""
    authority = make_office(tmp_path).authority
    der = sign_detached(b"x", authority.receipt, at=START)
    report = verify_detached(b"x", der, _trust(authority), now=START)
    assert report.party == "IRO-1-RECEIPT"


@pytest.mark.parametrize("demo", [True, False])
def test_demo_is_said_in_the_names(tmp_path: Path, demo: bool) -> None:
    """The names of root and intermediate begin with DEMO in a demo installation, and only there."""
    authority = make_office(tmp_path, demo=demo).authority
    for issuer in (authority.root, authority.intermediate):
        assert _common_name(issuer.certificate).startswith("DEMO ") is demo
    assert authority.demo is demo


def test_found_again(tmp_path: Path) -> None:
    """Opened again it has the same keys and certificates; with another passphrase it does not open."""
    made = make_office(tmp_path, base_url="http://pki.example").authority
    found = open_authority(tmp_path / "authority", PASSPHRASE)
    assert found.root.certificate == made.root.certificate
    assert found.receipt.key.public_key() == made.receipt.certificate.public_key()
    assert found.base_url == "http://pki.example"
    with pytest.raises(KeyUnavailable):
        open_authority(tmp_path / "authority", "wrong")


def test_made_once(tmp_path: Path) -> None:
    """An existing authority is never overwritten, and an unfinished one never opened."""
    office = make_office(tmp_path)
    with pytest.raises(Conflict):
        initialise_authority(
            tmp_path / "authority",
            PASSPHRASE,
            name="T",
            party="IRO-1",
            demo=False,
            clock=office.clock,
            cost=CHEAP,
        )
    (tmp_path / "authority" / "authority.json").unlink()
    with pytest.raises(NotFound):
        open_authority(tmp_path / "authority", PASSPHRASE)


def test_service_by_request(tmp_path: Path) -> None:
    """A custodian's key never comes here: its certificate answers a request and is found among the first ones."""
    office = make_office(tmp_path)
    key = make_key()
    csr = make_request(key, Subject("Custodian", "IRO-9"))
    certificate = office.authority.certify_service(csr, "IRO-9", "Time Custodian", clock=office.clock)
    assert party_of(certificate) == "IRO-9"
    der = sign_detached(b"x", Signer(key, certificate, office.authority.chain), at=START)
    assert verify_detached(b"x", der, _trust(office.authority), now=START).party == "IRO-9"
    found = open_authority(tmp_path / "authority", PASSPHRASE).first_certificates()
    assert [first.certificate for first in found if first.profile == SERVICE_SEAL.name][-1] == certificate


def test_parties_differ(tmp_path: Path) -> None:
    """Root, intermediate, time stamping and receipts are different parties."""
    firsts = make_office(tmp_path).authority.first_certificates()
    assert len({party_of(first.certificate) for first in firsts}) == len(firsts) == 4


def test_unknown_issuer(tmp_path: Path) -> None:
    """Only root and intermediate exist."""
    with pytest.raises(NotFound):
        make_office(tmp_path).authority.issuer("other")


def test_the_first_description_is_still_read(tmp_path: Path) -> None:
    """An authority that was made before there were generations opens as it was."""
    made = make_office(tmp_path, base_url="http://pki.example").authority
    mark = tmp_path / "authority" / "authority.json"
    mark.write_bytes(b'{"base_url":"http://pki.example","demo":false,"type":"mohr/authority/v1"}')
    found = open_authority(tmp_path / "authority", PASSPHRASE)
    assert found.description == made.description
    assert [each.name for each in found.issuers] == ["root", "intermediate"]
    mark.write_bytes(b'{"type":"mohr/authority/v3"}')
    with pytest.raises(MalformedInput):
        open_authority(tmp_path / "authority", PASSPHRASE)
