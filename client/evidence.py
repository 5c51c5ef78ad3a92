"""Evidence from the addresses that certificates carry: issuers (AIA), OCSP responders, revocation lists (CDP).

For each certificate below the root an OCSP answer is asked for first, because it is short; then the lists at its
distribution points, of which a shard is as good as the whole; then the lists that were given. All of it counts only
once it has proven itself: an issuer by a valid path, an answer or list by the signature of the issuer. One call asks
for nothing twice and is bounded in time, requests, hops and bytes. RFC 5280 §4.2.1.13 and §4.2.2.1,
RFC 6960 appendix A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from client.bounded_http import BoundedHttp, Deadline, FetchFailed
from client.fetched_lists import check_list, clears
from kernel.errors import DomainError
from pki.algorithms import der_of, fingerprint_of
from pki.errors import RevocationUnknown
from pki.ocsp_request import make_question
from pki.ocsp_verification import MAX_ANSWER_BYTES, verify_answer
from pki.path_validation import find_path
from signing.ades.services import Evidence
from signing.errors import EvidenceUnavailable

REQUEST_TYPE = "application/ocsp-request"
MAX_ISSUER_BYTES = 256 * 1024
MAX_ISSUERS_FETCHED = 8
MAX_ADDRESSES = 4
# How far the clock of a service may be ahead of ours.
SKEW = timedelta(minutes=5)
_UNKNOWN = "whether a certificate was revoked could not be learned"
_NO_ADDRESS = (
    "a certificate names no address to learn its revocation from, and no list beside the roots tells it"
)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Of one ``collect``."""

    total_seconds: float = 30.0
    requests: int = 24
    hops: int = 3
    list_bytes: int = 16 << 20


class HttpEvidence:
    """An EvidenceSource; ``roots`` are trusted, ``known`` may help to build paths, ``lists`` (DER) lie beside them.

    ``lasting`` is for what stays in a file: where the responder's certificate ends before the one that it answered for,
    a list that says the same is taken instead.

    Issuers are asked for at addresses that nobody vouches for yet: with ``strangers`` by public addresses alone. What
    a path up to a root names, lists and responders, may be anywhere.
    """

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        known: Sequence[x509.Certificate] = (),
        lists: Sequence[bytes] = (),
        *,
        lasting: bool = False,
        limits: FetchLimits | None = None,
        http: BoundedHttp | None = None,
        strangers: bool = False,
    ) -> None:
        self._roots = tuple(roots)
        self._known = tuple(known)
        self._lists = tuple(lists)
        self._lasting = lasting
        self._limits = limits or FetchLimits()
        self._http = http or BoundedHttp()
        self._unproven = replace(self._http, public_only=True) if strangers else self._http

    def collect(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> Evidence:
        """Path and revocation as the protocol says; raises EvidenceUnavailable naming service and certificate."""
        fetching = _Fetching(self._unproven, self._limits, Deadline(self._limits.total_seconds), self._lists)
        path = self._path(certificate, others, at, fetching)
        fetching.http = self._http
        found = Evidence(certificates=tuple(der_of(each) for each in reversed(path)))
        for issuer, subject in pairwise(path):
            told = _revocation(issuer, subject, at, fetching)
            if self._lasting and any(_ends_before(each, subject) for each in told.ocsps):
                told = _lasting(issuer, subject, at, fetching) or told
            found |= told
        return found

    def _path(
        self,
        certificate: x509.Certificate,
        others: Sequence[x509.Certificate],
        at: datetime,
        fetching: _Fetching,
    ) -> tuple[x509.Certificate, ...]:
        known = [*self._known, *others]
        for issuer in _issuers_above(certificate, [*self._roots, *known], fetching):
            known.append(issuer)
        try:
            return find_path(certificate, known, self._roots, at)
        except DomainError as error:
            raise fetching.unavailable("no path to a trusted root could be built", certificate) from error


@dataclass(slots=True)
class _Fetching:
    """What one call has asked for; ``failures`` say in words what went wrong where."""

    http: BoundedHttp
    limits: FetchLimits
    deadline: Deadline
    lists: tuple[bytes, ...] = ()
    requests: int = 0
    kept: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    service: str | None = None

    def get(self, url: str, max_bytes: int) -> bytes:
        return self._once(
            (url, b""),
            lambda: self.http.get(url, self.deadline, max_bytes=max_bytes, hops=self.limits.hops),
        )

    def ask(self, url: str, question: bytes) -> bytes:
        return self._once(
            (url, question),
            lambda: self.http.post(url, question, REQUEST_TYPE, self.deadline, max_bytes=MAX_ANSWER_BYTES),
        )

    def failed(self, url: str, problem: str) -> None:
        self.service = url[:200]
        self.failures.append(f"{url[:200]}: {problem}")

    def unavailable(self, detail: str, certificate: x509.Certificate) -> EvidenceUnavailable:
        """Names the certificate, the service that was asked last, and all that went wrong."""
        fields: dict[str, Any] = (
            {} if self.service is None else {"service": self.service, "tried": self.failures}
        )
        return EvidenceUnavailable(detail, certificate=fingerprint_of(certificate), **fields)

    def _once(self, key: tuple[str, bytes], fetch: Callable[[], bytes]) -> bytes:
        if key not in self.kept:
            self.requests += 1
            if self.requests > self.limits.requests:
                raise FetchFailed("too many requests were needed")
            self.kept[key] = fetch()
        return self.kept[key]


def _issuers_above(
    certificate: x509.Certificate, known: Sequence[x509.Certificate], fetching: _Fetching
) -> Iterator[x509.Certificate]:
    """Fetched certificates, from the first issuer that is not known up to one that is self-signed or known."""
    current, seen = certificate, {fingerprint_of(certificate)}
    for _ in range(MAX_ISSUERS_FETCHED):
        if current.issuer == current.subject:
            return
        issuer = _issuer_among(current, known)
        if issuer is None:
            fetched = _fetched_issuers(current, fetching)
            yield from fetched
            issuer = _issuer_among(current, fetched)
        if issuer is None or fingerprint_of(issuer) in seen:
            return
        seen.add(fingerprint_of(issuer))
        current = issuer


def _issuer_among(
    subject: x509.Certificate, candidates: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    for each in candidates:
        try:
            subject.verify_directly_issued_by(each)
        except Exception:  # InvalidSignature, unsupported keys, broken encodings: not this one.
            continue
        return each
    return None


def _fetched_issuers(certificate: x509.Certificate, fetching: _Fetching) -> list[x509.Certificate]:
    for url in _access_addresses(certificate, AuthorityInformationAccessOID.CA_ISSUERS):
        try:
            return _read_certificates(fetching.get(url, MAX_ISSUER_BYTES))
        except FetchFailed as error:
            fetching.failed(url, str(error))
    return []


def _read_certificates(der: bytes) -> list[x509.Certificate]:
    """One certificate, or a bundle without signer (RFC 5280 §4.2.2.1)."""
    try:
        return [x509.load_der_x509_certificate(der)]
    except (ValueError, x509.InvalidVersion):
        pass
    try:
        return pkcs7.load_der_pkcs7_certificates(der)[:MAX_ISSUERS_FETCHED]
    except Exception as error:  # UnsupportedAlgorithm is no ValueError.
        raise FetchFailed("it gave no certificate") from error


def _revocation(
    issuer: x509.Certificate, subject: x509.Certificate, at: datetime, fetching: _Fetching
) -> Evidence:
    for attempt in (_answered, _listed, _given):
        found = attempt(issuer, subject, at, fetching)
        if found is not None:
            return found
    raise fetching.unavailable(_UNKNOWN if _has_address(subject) else _NO_ADDRESS, subject)


def _answered(
    issuer: x509.Certificate, subject: x509.Certificate, at: datetime, fetching: _Fetching
) -> Evidence | None:
    # SHA-1 only names the issuer here; it is the one digest that every responder knows (RFC 5019 §2.1.1).
    question = make_question([(subject, issuer)], digest="sha1")
    for url in _access_addresses(subject, AuthorityInformationAccessOID.OCSP):
        try:
            answer = fetching.ask(url, question)
            status = verify_answer(answer, subject, issuer, at=at, skew=SKEW)
        except FetchFailed as error:
            fetching.failed(url, str(error))
        except RevocationUnknown as error:
            fetching.failed(url, error.detail)
        else:
            if status.kind != "unknown":
                return Evidence(ocsps=(answer,))
            fetching.failed(url, "it does not know the certificate")
    return None


def _listed(
    issuer: x509.Certificate, subject: x509.Certificate, at: datetime, fetching: _Fetching
) -> Evidence | None:
    for url in _list_addresses(subject):
        try:
            found = fetching.get(url, fetching.limits.list_bytes)
            check_list(found, subject, issuer, at=at, skew=SKEW)
        except FetchFailed as error:
            fetching.failed(url, str(error))
        except RevocationUnknown as error:
            fetching.failed(url, error.detail)
        else:
            return Evidence(crls=(found,))
    return None


def _ends_before(answer: bytes, subject: x509.Certificate) -> bool:
    """Whether the answer says good, by a certificate of its own that is over before the subject's."""
    try:
        read = ocsp.load_der_ocsp_response(answer)
        good = read.certificate_status is ocsp.OCSPCertStatus.GOOD
        return good and any(
            each.not_valid_after_utc < subject.not_valid_after_utc for each in read.certificates
        )
    except ValueError:  # an answer about several certificates; it has been verified and stays
        return False


def _lasting(
    issuer: x509.Certificate, subject: x509.Certificate, at: datetime, fetching: _Fetching
) -> Evidence | None:
    found = _listed(issuer, subject, at, fetching) or _given(issuer, subject, at, fetching)
    return found if found is not None and all(clears(each, subject) for each in found.crls) else None


def _given(
    issuer: x509.Certificate, subject: x509.Certificate, at: datetime, fetching: _Fetching
) -> Evidence | None:
    """Of the lists beside the roots, one that answers for this certificate."""
    for each in fetching.lists:
        try:
            check_list(each, subject, issuer, at=at, skew=SKEW)
        except RevocationUnknown:
            continue
        return Evidence(crls=(each,))
    return None


def _has_address(certificate: x509.Certificate) -> bool:
    """Whether it says where its revocation can be learned."""
    return bool(
        _access_addresses(certificate, AuthorityInformationAccessOID.OCSP) or _list_addresses(certificate)
    )


def _access_addresses(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    places = [each.access_location for each in found if each.access_method == method]
    return _addresses(places)


def _list_addresses(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    # A point for some reasons only, or of another issuer, does not tell whether this certificate was revoked at all.
    whole = [each for each in found if each.reasons is None and each.crl_issuer is None]
    return _addresses([name for each in whole for name in each.full_name or ()])


def _addresses(names: Sequence[x509.GeneralName]) -> list[str]:
    found = [each.value for each in names if isinstance(each, x509.UniformResourceIdentifier)]
    web = [each for each in found if each.casefold().startswith(("http://", "https://"))]
    return list(dict.fromkeys(web))[:MAX_ADDRESSES]
