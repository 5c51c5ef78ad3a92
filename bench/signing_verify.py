"""A PDF signed to the highest level, verified: read, every change named, judged; against pyHanko's AdES validation.

Both are given the root alone and take all evidence from the file; what each trusts is made outside the time that
counts. In the second figure the issuer's list inside the file has 10,000 entries.
"""

from __future__ import annotations

import asyncio
import io
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from asn1crypto import x509 as foreign_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.ades import ades_lta_validation
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
from pyhanko_certvalidator.registry import SimpleTrustManager

from bench.figure import Figure
from kernel.clock import SystemClock
from pki import algorithms
from pki.revocation_lists import Revoked, build_crl
from signing.ades.known_evidence import KnownEvidence
from signing.ades.services import Level, Services
from signing.pdf.signing import sign_pdf
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.trust import Trust
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.minutes import pages
from tests.support.signing import MemoryStamps

NAMES = {"signing.verify_blta": 0, "signing.verify_blta_crl10k": 10_000}
_FIRST_SERIAL = 1 << 100


def verifying_figures(chosen: list[str], rounds: int) -> Iterator[Figure]:
    """Those of NAMES that are chosen."""
    for name, entries in NAMES.items():
        if name in chosen:
            authority = make_authority(clock=SystemClock())
            pdf = _signed(authority, entries)
            verify, baseline = _ours(authority, pdf), _pyhanko(authority, pdf)
            assert verify(None) == "TOTAL-PASSED"
            assert baseline(None) == "OK"
            yield Figure(
                name,
                f"pyHanko 0.38, ades_lta_validation; a bare verification takes {_bare() * 1e6:.0f} µs",
                prepare=lambda _: None,
                measured=verify,
                bare=baseline,
                rounds=rounds,
            )


def _signed(authority: MemoryAuthority, entries: int) -> bytes:
    now = authority.now
    lines = [Revoked(_FIRST_SERIAL + number, now) for number in range(entries)]
    lists = authority.crls()
    if entries:
        lists[0] = build_crl(authority.intermediate_key, authority.intermediate, lines, 1, now)
    evidence = KnownEvidence([authority.root], [authority.intermediate], lambda: lists)
    services = Services(MemoryStamps(authority), evidence)
    signer = authority.person("IR-0012345678", "زهرا مرادی")
    return sign_pdf(pages(), signer, Level.B_LTA, services, at=authority.now)


def _ours(authority: MemoryAuthority, pdf: bytes) -> Callable[[object], str]:
    trust, policy = Trust.of([authority.root]), AlgorithmPolicy.default()

    def verify(_: object) -> str:
        now: datetime = authority.now
        return judge(read_document(pdf), trust, policy, at=now, made_at=now).indication.value

    return verify


def _pyhanko(authority: MemoryAuthority, pdf: bytes) -> Callable[[object], str]:
    rule = RevocationCheckingPolicy(
        ee_certificate_rule=RevocationCheckingRule.CRL_OR_OCSP_REQUIRED,
        intermediate_ca_cert_rule=RevocationCheckingRule.CRL_OR_OCSP_REQUIRED,
    )
    root = foreign_x509.Certificate.load(algorithms.der_of(authority.root))
    policy = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build([root]), revinfo_policy=CertRevTrustPolicy(rule)
    )
    offline = RevocationInfoGatheringSpec(
        online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
        certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
    )
    spec = PdfSignatureValidationSpec(
        SignatureValidationSpec(policy, offline, local_knowledge=LocalKnowledge())
    )

    def verify(_: object) -> str:
        signature = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures[0]
        result = asyncio.run(ades_lta_validation(signature, spec))
        return str(result.ades_subindic.standard_name)

    return verify


def _bare() -> float:
    """Seconds of one verification over as many bytes as are signed in a CMS."""
    key, data, taken = ec.generate_private_key(ec.SECP256R1()), bytes(200), []
    signature, public = key.sign(data, ec.ECDSA(hashes.SHA256())), key.public_key()
    for _ in range(50):
        started = time.perf_counter()
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
