"""A PDF signed at the lowest and at the highest level, against pyHanko with its signer loaded and its room known.

Both sign the same minutes with the same key and certificates, ask the same authority for stamps in process, and have
the same revocation lists at hand. pyHanko's signer keeps its key loaded; its validation context is made outside the
time that counts.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from asn1crypto import crl as foreign_crl
from asn1crypto import keys as foreign_keys
from asn1crypto import tsp
from asn1crypto import x509 as foreign_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from bench.figure import Figure
from kernel.clock import SystemClock
from pki import algorithms
from pki.signed_data import Signer
from signing.ades.known_evidence import KnownEvidence
from signing.ades.services import Level, Services
from signing.pdf.signing import sign_pdf
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.minutes import pages
from tests.support.signing import MemoryStamps

NAMES = {"signing.pades_bb": Level.B_B, "signing.pades_blta": Level.B_LTA}
_ROOM = {Level.B_B: 8192, Level.B_LTA: 24576}  # hexadecimal digits, as pyHanko counts them


class _Authority(TimeStamper):
    """The same authority as pyHanko asks it."""

    def __init__(self, authority: MemoryAuthority) -> None:
        super().__init__()
        self._authority = authority

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return tsp.TimeStampResp.load(self._authority.tsa.respond(req.dump()))


class _Loaded(SimpleSigner):
    """pyHanko's signer, which otherwise reads its key at each signature."""

    loaded: ec.EllipticCurvePrivateKey

    def sign_raw(self, data: bytes, digest_algorithm: str) -> bytes:
        return self.loaded.sign(data, ec.ECDSA(hashes.SHA256()))


def signing_figures(chosen: list[str], rounds: int) -> Iterator[Figure]:
    """Those of NAMES that are chosen."""
    if not any(name in chosen for name in NAMES):
        return
    authority = make_authority(clock=SystemClock())
    lists = authority.crls()
    signer = authority.person("IR-0012345678", "زهرا مرادی")
    services = Services(
        MemoryStamps(authority), KnownEvidence([authority.root], [authority.intermediate], lambda: lists)
    )
    source = pages()
    for name, level in NAMES.items():
        if name in chosen:
            yield Figure(
                name,
                f"pyHanko 0.38, the same level and evidence; a bare signature takes {_bare(signer) * 1e6:.0f} µs",
                prepare=_prepare(authority, lists),
                measured=partial(_sign, source, signer, level, services),
                bare=_pyhanko(authority, signer, source, level),
                rounds=rounds,
            )


def _sign(source: bytes, signer: Signer, level: Level, services: Services, _: object) -> bytes:
    return sign_pdf(source, signer, level, services, at=datetime.now(UTC))


def _prepare(authority: MemoryAuthority, lists: list[bytes]) -> Callable[[int], ValidationContext]:
    parsed = [foreign_crl.CertificateList.load(each) for each in lists]
    root, intermediate = _foreign(authority.root), _foreign(authority.intermediate)
    return lambda _: ValidationContext(
        trust_roots=[root],
        other_certs=[intermediate],
        crls=parsed,
        allow_fetching=False,
        revocation_mode="require",
    )


def _pyhanko(
    authority: MemoryAuthority, signer: Signer, source: bytes, level: Level
) -> Callable[[ValidationContext], bytes]:
    stamps = _Authority(authority) if level == Level.B_LTA else None
    signing = _loaded(signer)

    def sign(context: ValidationContext) -> bytes:
        archived = level == Level.B_LTA
        metadata = PdfSignatureMetadata(
            field_name="Signature1",
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            validation_context=context if archived else None,
            embed_validation_info=archived,
            use_pades_lta=archived,
        )
        writer = IncrementalPdfFileWriter(io.BytesIO(source))
        made = PdfSigner(metadata, signer=signing, timestamper=stamps).sign_pdf(
            writer, bytes_reserved=_ROOM[level]
        )
        return bytes(made.getvalue())

    return sign


def _loaded(signer: Signer) -> _Loaded:
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    store = SimpleCertificateStore()
    store.register_multiple([_foreign(each) for each in signer.chain])
    key = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    made = _Loaded(_foreign(signer.certificate), foreign_keys.PrivateKeyInfo.load(key), store)
    made.loaded = signer.key
    return made


def _bare(signer: Signer) -> float:
    """Seconds of one signature over as many bytes as are signed in a CMS."""
    taken = []
    for _ in range(50):
        started = time.perf_counter()
        algorithms.sign(signer.key, bytes(200))
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _foreign(certificate: x509.Certificate) -> foreign_x509.Certificate:
    return foreign_x509.Certificate.load(algorithms.der_of(certificate))
