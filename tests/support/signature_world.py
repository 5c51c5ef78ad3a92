"""Signed files of every format, level and kind of key, made once for a run of tests, and what they are judged by.

The authority issued its certificates two hours before the run and says in them where its lists are; everything is
signed a minute before the run, so that referees that read the machine's clock agree.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.profiles import PERSON_SIGNING
from pki.signed_data import Signer
from pki.variation import Variation
from signing.ades.asice import extend_container, sign_container
from signing.ades.asice_inside import ContainerFile
from signing.ades.cades import extend, file_digest, sign_file
from signing.ades.services import Evidence, Level, Services
from signing.pdf.long_term import extend_pdf
from signing.pdf.signing import sign_pdf
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.report import ValidationReport
from signing.validation.trust import Anchor, Trust
from tests.support.authority import MemoryAuthority, after, make_authority
from tests.support.ocsp_evidence import answered_by
from tests.support.signing import services_of
from tests.support.small_pdf import plain_pdf

FORMATS = ("PAdES", "CAdES detached", "CAdES enveloping", "ASiC-E")
KINDS = ("P-256", "P-384", "RSA", "Ed25519")
BASE_URL = "http://127.0.0.1:9"
# pdfsig takes certificates for e-mail only; a person's certificate may have that purpose too.
FOR_PDFSIG = Variation(
    purposes=(*PERSON_SIGNING.purposes.default, ExtendedKeyUsageOID.EMAIL_PROTECTION),
)


@dataclass(frozen=True, slots=True)
class Made:
    """One signed file; ``content`` is what a detached signature is beside, else None."""

    format: str
    level: Level
    kind: str
    signed: bytes
    content: bytes | None = None

    @property
    def has_evidence(self) -> bool:
        return self.level.rank >= Level.B_LT.rank

    @property
    def baseline(self) -> str:
        """As DSS writes it; the signatures in a container are CAdES."""
        family = "PAdES" if self.format == "PAdES" else "CAdES"
        return f"{family}-BASELINE-{self.level.value.removeprefix('B-')}"


@dataclass
class World:
    """An authority, a document, and a signer for each kind of key."""

    authority: MemoryAuthority
    document: bytes
    services: Services
    signers: dict[str, Signer]
    crls: list[bytes]
    _made: dict[tuple[str, Level, str], Made] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        """When everything was signed."""
        return self.authority.now

    @property
    def judged_at(self) -> datetime:
        """A moment later."""
        return self.at + timedelta(minutes=5)

    def made(self, format_: str, level: Level, kind: str = "P-256") -> Made:
        """Signed by the code of this project; the same bytes when asked again."""
        key = (format_, level, kind)
        if key not in self._made:
            self._made[key] = self._sign(*key)
        return self._made[key]

    def all_made(self) -> Iterator[Made]:
        """Every format at every level with every kind of key."""
        for format_ in FORMATS:
            for level in Level:
                for kind in KINDS:
                    yield self.made(format_, level, kind)

    def with_answers(self) -> World:
        """The same, with OCSP answers as evidence for people and the time-stamping authority."""
        return replace(self, services=answered_by(self.authority), _made={})

    def extended(self, format_: str, signed: bytes) -> bytes:
        """Raised to B-LTA by the code of this project, whoever signed it."""
        services, at = self.services, self.at
        if format_ == "PAdES":
            return extend_pdf(signed, Level.B_LTA, services, at=at)
        if format_ == "ASiC-E":
            target = io.BytesIO()
            extend_container(io.BytesIO(signed), target, Level.B_LTA, services, at=at)
            return target.getvalue()
        content = file_digest(io.BytesIO(self.document))
        return extend(signed, Level.B_LTA, services, content, at=at)

    def judged(
        self,
        signed: bytes,
        content: bytes | None = None,
        *,
        at: datetime | None = None,
        crls: Sequence[bytes] | None = None,
    ) -> ValidationReport:
        """The report of this project, trusting the root; ``crls`` as they were at signing unless others are given."""
        evidence = Evidence(crls=tuple(self.crls if crls is None else crls))
        trust = Trust([Anchor(self.authority.root)], evidence=evidence)
        at = at or self.judged_at
        document = read_document(signed, content=content)
        return judge(document, trust, AlgorithmPolicy.default(), at=at, made_at=at)

    def _sign(self, format_: str, level: Level, kind: str) -> Made:
        signer, at = self.signers[kind], self.at
        if format_ == "PAdES":
            return Made(format_, level, kind, sign_pdf(self.document, signer, level, self.services, at=at))
        if format_ == "ASiC-E":
            target = io.BytesIO()
            files = [ContainerFile("contract.pdf", "application/pdf", lambda: [self.document])]
            sign_container(files, target, signer, level, self.services, at=at)
            return Made(format_, level, kind, target.getvalue())
        inside = format_ == "CAdES enveloping"
        source = io.BytesIO(self.document)
        der = sign_file(source, signer, level, self.services, at=at, enveloping=inside)
        return Made(format_, level, kind, der, None if inside else self.document)


def make_world(now: datetime | None = None) -> World:
    """A fresh one, as of now or then."""
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    authority = make_authority(now - timedelta(hours=2), base_url=BASE_URL)
    signers = {
        kind: authority.signer(
            PERSON_SIGNING, f"IR-{number:010}", f"Signer {kind}", kind=kind, variation=FOR_PDFSIG
        )
        for number, kind in enumerate(KINDS, 1)
    }
    after(authority, timedelta(minutes=119))
    return World(authority, plain_pdf(), services_of(authority), signers, authority.crls())
