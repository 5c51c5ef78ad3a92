"""The directory that procurement asks: certificates from pki, names from identity."""

from __future__ import annotations

from sqlalchemy.orm import Session

from identity.adapters.repository import SqlParties
from kernel.clock import Clock
from kernel.errors import NotFound
from pki.algorithms import der_of
from pki.profiles import MEMBER_ENCRYPTION, ORGANISATION_SEAL, PERSON_SIGNING, SERVICE_SEAL
from pki.registry import RecordedCertificate, certificates_of

_SIGNING = (PERSON_SIGNING.name, ORGANISATION_SEAL.name, SERVICE_SEAL.name)


class PartyDirectory:
    """Of several certificates of a party the newest counts that is neither revoked nor over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def encryption_certificate(self, session: Session, party: str) -> bytes:
        """DER of the certificate that shares are encrypted to; raises NotFound."""
        return der_of(self._newest(session, party, (MEMBER_ENCRYPTION.name,)).certificate)

    def signing_certificate_digest(self, session: Session, party: str) -> str:
        """SHA-256 of the DER of the certificate that the party signs with; raises NotFound."""
        return self._newest(session, party, _SIGNING).fingerprint

    def name(self, session: Session, party: str) -> str:
        """The registered name; raises NotFound."""
        return SqlParties(session).get(party).name

    def _newest(self, session: Session, party: str, profiles: tuple[str, ...]) -> RecordedCertificate:
        now = self._clock.now()
        current = [
            each
            for each in certificates_of(session, party)
            if each.profile in profiles
            and each.state == "issued"
            and each.certificate.not_valid_before_utc <= now <= each.certificate.not_valid_after_utc
        ]
        if not current:
            raise NotFound("the party has no current certificate for this use", party=party)
        return current[-1]
