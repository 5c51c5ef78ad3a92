"""Referees of PDF signatures that are not ours: pyHanko's AdES validation, pdfsig, and qpdf."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import crl as foreign_crl
from asn1crypto import keys as foreign_keys
from asn1crypto import x509 as foreign_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.validation.ades import ades_basic_validation, ades_lta_validation
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import SimpleCertificateStore, SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer

from pki.signed_data import Signer
from tests.support.authority import MemoryAuthority


def pyhanko_says(pdf: bytes, authority: MemoryAuthority, number: int = 0, *, archived: bool = False) -> str:
    """The indication for one signature; ``archived`` for a document with evidence and document time stamps inside."""
    reader = PdfFileReader(io.BytesIO(pdf), strict=False)
    signature = reader.embedded_regular_signatures[number]
    spec = _spec(authority)
    if archived:
        archive = asyncio.run(ades_lta_validation(signature, PdfSignatureValidationSpec(spec)))
        return str(archive.ades_subindic.standard_name)
    signature.compute_integrity_info()
    result = asyncio.run(
        ades_basic_validation(signature.signed_data, spec, raw_digest=signature.compute_digest())
    )
    return str(result.ades_subindic.standard_name)


def foreign_signature(pdf: bytes, signer: Signer) -> bytes:
    """A basic PAdES signature by pyHanko."""
    store = SimpleCertificateStore()
    store.register_multiple([_foreign(each) for each in signer.chain])
    key = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    made = SimpleSigner(_foreign(signer.certificate), foreign_keys.PrivateKeyInfo.load(key), store)
    metadata = PdfSignatureMetadata(
        field_name="Foreign", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    return bytes(PdfSigner(metadata, signer=made).sign_pdf(writer).getvalue())


def pdfsig_says(path: Path, *, trusted: x509.Certificate | None = None) -> str:
    """What it prints; with a root, also about the certificate."""
    program = shutil.which("pdfsig")
    if program is None:
        pytest.skip("pdfsig is not installed")
    command = [program, "-nocert", str(path)]
    if trusted is not None:
        command = [program, "-nssdir", str(_nss(path.parent, trusted)), str(path)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).stdout.decode("utf-8")


def qpdf_accepts(path: Path) -> bool:
    """Whether it finds no fault, not even a warning."""
    program = shutil.which("qpdf")
    if program is None:
        pytest.skip("qpdf is not installed")
    return (
        subprocess.run(
            [program, "--check", str(path)], capture_output=True, timeout=60, check=False
        ).returncode
        == 0
    )


def _nss(folder: Path, trusted: x509.Certificate) -> Path:
    """The folder of a database that trusts that root."""
    place = folder / "nss"
    if not place.exists():
        place.mkdir()
        (folder / "root.pem").write_bytes(trusted.public_bytes(Encoding.PEM))
        database = f"sql:{place}"
        for arguments in (
            ["-N", "-d", database, "--empty-password"],
            ["-A", "-d", database, "-n", "root", "-t", "CT,C,C", "-i", str(folder / "root.pem")],
        ):
            subprocess.run(["certutil", *arguments], capture_output=True, timeout=60, check=True)
    return place


def _spec(authority: MemoryAuthority) -> SignatureValidationSpec:
    rule = RevocationCheckingPolicy(
        RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, RevocationCheckingRule.CRL_OR_OCSP_REQUIRED
    )
    policy = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build([_foreign(authority.root)]),
        revinfo_policy=CertRevTrustPolicy(rule),
    )
    known = LocalKnowledge(
        known_certs=[_foreign(authority.intermediate)],
        known_crls=[CRLContainer(foreign_crl.CertificateList.load(each)) for each in authority.crls()],
    )
    offline = RevocationInfoGatheringSpec(
        online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
        certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
    )
    return SignatureValidationSpec(policy, offline, local_knowledge=known)


def _foreign(certificate: x509.Certificate) -> foreign_x509.Certificate:
    return foreign_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
