"""Going on with a session and ending it. Nothing about the party is remembered between two requests."""

from __future__ import annotations

from cryptography import x509

from identity.errors import SessionEnded
from identity.party import Actor
from identity.ports import Office
from identity.use_cases.sign_in import token_digest
from kernel.clock import format_utc
from kernel.errors import DomainError
from pki.errors import RevocationUnknown


def authenticate(token: str, *, office: Office) -> Actor:
    """Who holds this token, with the roles of this very moment.

    The session's certificate is judged anew each time: a revocation ends the session with the next request.
    Raises SessionEnded or RevocationUnknown.
    """
    now = office.clock.now()
    with office.reading() as session:
        repositories = office.repositories(session)
        stored = repositories.sessions.get(token_digest(token))
        party = None if stored is None else repositories.parties.find(stored.party)
    if stored is None or party is None:
        raise SessionEnded("no such session", reason="unknown")
    if stored.ended_at is not None:
        raise SessionEnded("the session was ended", reason="signed-out")
    if stored.expires_at <= format_utc(now):
        raise SessionEnded("the session has expired", reason="expired")
    certificate = x509.load_der_x509_certificate(stored.certificate)
    try:
        validated = office.trust().validate(certificate, (), now, "signature", revocation="ever")
    except RevocationUnknown:
        raise
    except DomainError as refusal:
        raise SessionEnded(
            f"the certificate of the session no longer holds: {refusal.detail}", reason=refusal.code
        ) from refusal
    if validated.party != party.party:
        raise SessionEnded("the certificate of the session names another party", reason="wrong-party")
    return Actor(party.party, party.roles, stored.fingerprint)


def sign_out(token: str, *, office: Office) -> None:
    """End the session of this token; ending it twice is harmless."""
    with office.unit_of_work() as uow:
        office.repositories(uow.session).sessions.end(token_digest(token), format_utc(office.clock.now()))
        uow.commit()
