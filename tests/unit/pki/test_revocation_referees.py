"""Referees of the lists: OpenSSL, pyhanko-certvalidator and pkilint read full list, delta and shard as we mean them."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.algorithms import der_of
from pki.authority import pem_of
from pki.locations import shard_of
from tests.support.openssl import run_openssl
from tests.support.registry import Office
from tests.support.revocation import list_at, open_office, person, resume, revoke, suspend


class Scene:
    """Four certificates whose fate is told by a delta to an older full list, and by each one's shard."""

    def __init__(self, office: Office, folder: Path) -> None:
        self.office, self.folder = office, folder
        self.early, self.lifted = person(office), person(office, "IR-2")
        self.revoked, self.held, self.fine = (person(office, f"IR-{n}") for n in (3, 4, 5))
        revoke(office, self.early, "superseded")
        suspend(office, self.lifted)
        self.old = list_at(office)
        office.clock.advance(timedelta(hours=1))
        resume(office, self.lifted)
        revoke(office, self.revoked, invalid_since=office.clock.now() - timedelta(minutes=5))
        suspend(office, self.held)
        office.clock.advance(timedelta(minutes=1))
        self.full, self.delta = list_at(office), list_at(office, scope="delta")
        self.root = list_at(office, "root")

    @property
    def fates(self) -> list[tuple[x509.Certificate, bool]]:
        """Each certificate, and whether it may be used."""
        return [
            (self.early, False),
            (self.revoked, False),
            (self.held, False),
            (self.lifted, True),
            (self.fine, True),
        ]

    def shard_for(self, certificate: x509.Certificate, shards: int) -> bytes:
        return list_at(self.office, scope=shard_of(certificate.serial_number, shards))


def _scene(folder: Path, shards: int) -> Iterator[Scene]:
    with open_office(folder, base_url="http://mohr.test", shards=shards) as office:
        yield Scene(office, folder)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Without shards, so that certificates name the full list and its delta."""
    yield from _scene(tmp_path, 1)


@pytest.fixture
def sharded(tmp_path: Path) -> Iterator[Scene]:
    yield from _scene(tmp_path, 4)


def _openssl_accepts(
    scene: Scene, certificate: x509.Certificate, lists: Sequence[bytes], *flags: str
) -> bool:
    folder, authority = scene.folder, scene.office.authority
    (folder / "root.pem").write_bytes(pem_of([authority.root.certificate]))
    (folder / "ca.pem").write_bytes(pem_of(authority.chain))
    (folder / "one.pem").write_bytes(pem_of([certificate]))
    pems = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in (scene.root, *lists)]
    (folder / "lists.pem").write_bytes(b"".join(pems))
    at = str(int(scene.office.clock.now().timestamp()))
    common = ("-CAfile", "root.pem", "-untrusted", "ca.pem", "-CRLfile", "lists.pem", "-attime", at)
    agreed, told = run_openssl(folder, "verify", "-crl_check_all", *common, *flags, "one.pem")
    assert agreed or "certificate revoked" in told, told
    return agreed


def test_openssl_with_the_full_list(scene: Scene) -> None:
    """OpenSSL judges by the newest full list as we do."""
    for certificate, fine in scene.fates:
        assert _openssl_accepts(scene, certificate, [scene.full]) is fine


def test_openssl_with_an_older_list_and_its_delta(scene: Scene) -> None:
    """OpenSSL completes the older full list with the delta; without it, it does not know yet."""
    flags = ("-use_deltas", "-extended_crl")
    for certificate, fine in scene.fates:
        assert _openssl_accepts(scene, certificate, [scene.old, scene.delta], *flags) is fine
    assert _openssl_accepts(scene, scene.revoked, [scene.old])
    assert not _openssl_accepts(scene, scene.lifted, [scene.old])


def test_openssl_with_a_shard(sharded: Scene) -> None:
    """OpenSSL finds a certificate's shard by its address, and takes no other shard for it."""
    for certificate, fine in sharded.fates:
        shard = sharded.shard_for(certificate, 4)
        assert _openssl_accepts(sharded, certificate, [shard], "-extended_crl") is fine
    other = list_at(sharded.office, scope=shard_of(sharded.fine.serial_number + 1, 4))
    with pytest.raises(AssertionError, match="scope"):
        _openssl_accepts(sharded, sharded.fine, [other], "-extended_crl")


def test_openssl_reads_what_we_wrote(sharded: Scene) -> None:
    """The extensions stand in the lists under OpenSSL's names, critical where RFC 5280 §5.2 says so."""
    wanted = {
        "full": ("X509v3 CRL Number", "X509v3 Freshest CRL", "delta.crl", "2.5.29.60"),
        "delta": ("X509v3 Delta CRL Indicator: critical", "Remove From CRL", "Certificate Hold"),
        "4-0": ("X509v3 Issuing Distribution Point: critical", "/pki/crl/intermediate/4-0.crl"),
    }
    for scope, texts in wanted.items():
        (sharded.folder / "one.crl").write_bytes(list_at(sharded.office, scope=scope))
        arguments = ("crl", "-in", "one.crl", "-inform", "DER", "-noout", "-text", "-CAfile", "ca.pem")
        (sharded.folder / "ca.pem").write_bytes(pem_of(sharded.office.authority.chain))
        agreed, told = run_openssl(sharded.folder, *arguments)
        assert agreed
        assert "verify OK" in told
        assert [text for text in texts if text not in told] == [], told


def _certvalidator_accepts(scene: Scene, certificate: x509.Certificate, lists: Sequence[bytes]) -> bool:
    validator = importlib.import_module("pyhanko_certvalidator")
    errors = importlib.import_module("pyhanko_certvalidator.errors")
    asn1_x509 = importlib.import_module("asn1crypto.x509")
    authority = scene.office.authority

    def read(one: x509.Certificate) -> Any:
        return asn1_x509.Certificate.load(der_of(one))

    context = validator.ValidationContext(
        trust_roots=[read(authority.root.certificate)],
        other_certs=[read(one) for one in authority.chain],
        crls=[scene.root, *lists],
        revocation_mode="require",
        moment=scene.office.clock.now(),
        allow_fetching=False,
    )
    one = validator.CertificateValidator(read(certificate), validation_context=context)
    try:
        asyncio.run(one.async_validate_usage({"digital_signature"}))
    except errors.RevokedError:
        return False
    return True


def test_certvalidator(scene: Scene) -> None:
    """The validator that passes PKITS judges by the full list as we do."""
    for certificate, fine in scene.fates:
        assert _certvalidator_accepts(scene, certificate, [scene.full]) is fine


def test_certvalidator_with_shard_or_delta(sharded: Scene) -> None:
    """It judges by each certificate's shard, and by an older full list with its delta, as we do."""
    for certificate, fine in sharded.fates:
        assert _certvalidator_accepts(sharded, certificate, [sharded.shard_for(certificate, 4)]) is fine
        assert _certvalidator_accepts(sharded, certificate, [sharded.old, sharded.delta]) is fine


# The linter leaves it to the interpreter to close its file.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scope", ["full", "delta", "4-0", "root"])
def test_pkilint(sharded: Scene, scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The linter finds nothing of level error."""
    der = list_at(sharded.office, "root") if scope == "root" else list_at(sharded.office, scope=scope)
    (sharded.folder / "one.crl").write_bytes(der)
    kind = "ARL" if scope == "root" else "CRL"
    arguments = ["lint", "-t", kind, "-p", "PKIX", "-s", "ERROR", str(sharded.folder / "one.crl")]
    found = importlib.import_module("pkilint.bin.lint_crl").main(arguments)
    assert found == 0, capsys.readouterr().out
