"""Time stamps and evidence of a running installation for signatures of any level, in process: nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509

from app.container import Container
from client.fetched_lists import check_list, clears
from kernel.database import read_only
from kernel.errors import DomainError
from pki.algorithms import der_of, fingerprint_of
from pki.errors import RevocationUnknown, TimestampInvalid
from pki.ocsp_request import make_question
from pki.ocsp_verification import verify_answer
from pki.path_validation import find_path
from pki.published_lists import DELTA, FULL, list_of, newest_lists
from pki.timestamp import make_request_for, token_of_response
from signing.ades.services import Evidence, Services
from signing.errors import EvidenceUnavailable, TimestampUnavailable

NAME = "this installation"
# A token holds the path of its signer without the root: the longest kept so far is under 4 KiB.
TOKEN_ROOM = 8 * 1024
_SKEW = timedelta(minutes=5)


def services_of(container: Container) -> Services:
    """What signatures made or extended by this process use."""
    return Services(InstallationStamps(container), InstallationEvidence(container, lasting=True))


class InstallationStamps:
    """A StampSource that asks the installation's time-stamping authority."""

    name = NAME
    room = TOKEN_ROOM

    def __init__(self, container: Container) -> None:
        self._container = container

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        """A token; raises TimestampUnavailable where clock, key or database do not let one be made."""
        request = make_request_for(algorithm, digest)
        try:
            token = token_of_response(self._container.tsa.respond(request), request)
        except TimestampInvalid as error:
            raise TimestampUnavailable(error.detail, service=NAME, **error.fields) from error
        except DomainError as error:
            raise TimestampUnavailable("no time stamp could be made", service=NAME) from error
        if len(token) > self.room:
            raise TimestampUnavailable("the time stamp is too long", service=NAME, limit=self.room)
        return token


class InstallationEvidence:
    """An EvidenceSource over what the installation publishes: its authorities, OCSP answers, and lists.

    An OCSP answer is as fresh as the record and short; where none can be made, the shard of the certificate is taken
    before the full list. ``lasting`` is for what stays in a file: a responder's certificate ends within weeks, and with
    it what it answered; so where a list says the same as the answer, the list is taken, whose signer lasts for years.
    Not to be called inside a transaction.
    """

    def __init__(self, container: Container, *, lasting: bool = False) -> None:
        self._container = container
        self._lasting = lasting

    def collect(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> Evidence:
        """As the protocol says; raises EvidenceUnavailable naming the certificate."""
        authority = self._container.authority
        roots = [each.certificate for each in authority.roots]
        try:
            path = find_path(certificate, [*authority.intermediates, *others], roots, at)
        except DomainError as error:
            raise EvidenceUnavailable(
                "the certificate is not of this installation",
                service=NAME,
                certificate=fingerprint_of(certificate),
            ) from error
        found = Evidence(certificates=tuple(der_of(each) for each in reversed(path)))
        for issuer, subject in pairwise(path):
            found |= self._revocation(issuer, subject, at)
        return found

    def _revocation(self, issuer: x509.Certificate, subject: x509.Certificate, at: datetime) -> Evidence:
        found = self._answer(issuer, subject, at)
        if found is not None:
            answer, good = found
            lists = self._holding(issuer, subject, at) if self._lasting and good else ()
            same = next((each for each in lists if clears(each, subject)), None)
            return Evidence(ocsps=(answer,)) if same is None else Evidence(crls=(same,))
        for each in self._holding(issuer, subject, at):
            return Evidence(crls=(each,))
        raise EvidenceUnavailable(
            "no OCSP answer and no list holds at that time",
            service=NAME,
            certificate=fingerprint_of(subject),
        )

    def _holding(self, issuer: x509.Certificate, subject: x509.Certificate, at: datetime) -> Iterator[bytes]:
        for each in self._lists(issuer):
            try:
                check_list(each, subject, issuer, at=at, skew=_SKEW)
            except RevocationUnknown:
                continue
            yield each

    def _answer(
        self, issuer: x509.Certificate, subject: x509.Certificate, at: datetime
    ) -> tuple[bytes, bool] | None:
        """An answer and whether it says that all is well; None where none can be made."""
        made = self._container.ocsp.respond(make_question([(subject, issuer)]))
        der = made.head + made.tail
        try:
            status = verify_answer(der, subject, issuer, at=at, skew=_SKEW)
        except RevocationUnknown:
            return None
        return (der, status.kind == "good") if status.kind != "unknown" else None

    def _lists(self, issuer: x509.Certificate) -> Iterator[bytes]:
        """The lists of that authority, short ones first; a shard of other certificates refuses itself."""
        wanted = fingerprint_of(issuer)
        names = [
            each.name
            for each in self._container.authority.answered_for
            if fingerprint_of(each.certificate) == wanted
        ]
        for name in names:
            with read_only(self._container.sessions) as session:
                heads = [each for each in newest_lists(session, name) if each.scope != DELTA]
                heads.sort(key=lambda head: head.scope == FULL)
                yield from [list_of(session, head) for head in heads]
