"""Evidence from what is at hand: an installation's certificates and lists, or those of a folder. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

from cryptography import x509

from kernel.errors import DomainError
from pki.algorithms import der_of, fingerprint_of
from pki.crl import RevocationList
from pki.path_validation import find_path
from signing.ades.services import Evidence
from signing.errors import EvidenceUnavailable

_MOST_PATHS = 256


class KnownEvidence:
    """An EvidenceSource over pinned roots, intermediates, and the lists that ``crls`` gives when asked."""

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate],
        crls: Callable[[], Sequence[bytes]],
    ) -> None:
        self._roots = tuple(roots)
        self._intermediates = tuple(intermediates)
        self._crls = crls
        self._paths: dict[tuple[bytes, ...], tuple[x509.Certificate, ...]] = {}

    def collect(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> Evidence:
        """Path and lists; raises EvidenceUnavailable naming the certificate that lacks either."""
        path = self._path(certificate, others, at)
        lists = [_parsed(each) for each in self._crls()]
        found = [_list_for(issuer, subject, lists, at) for issuer, subject in pairwise(path)]
        return Evidence(
            certificates=tuple(der_of(each) for each in reversed(path)),
            crls=tuple(dict.fromkeys(each.der for each in found)),
        )

    def _path(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> tuple[x509.Certificate, ...]:
        """A path that was found holds for as long as each certificate on it: revocation is asked separately."""
        key = tuple(der_of(each) for each in (certificate, *others))
        known = self._paths.get(key)
        if known is not None and all(
            each.not_valid_before_utc <= at <= each.not_valid_after_utc for each in known
        ):
            return known
        try:
            found = find_path(certificate, [*self._intermediates, *others], self._roots, at)
        except DomainError as error:
            raise EvidenceUnavailable(
                "no path to a trusted root is known", certificate=fingerprint_of(certificate)
            ) from error
        if len(self._paths) >= _MOST_PATHS:
            self._paths.clear()
        self._paths[key] = found
        return found


@lru_cache(maxsize=16)
def _parsed(der: bytes) -> RevocationList:
    return RevocationList.parse(der)


def _list_for(
    issuer: x509.Certificate, subject: x509.Certificate, lists: Sequence[RevocationList], at: datetime
) -> RevocationList:
    key = RevocationList.key_for(issuer)
    for each in lists:
        fits = each.key == key and each.base is None and at <= each.next_update
        if fits and each.is_signed_by(issuer):
            return each
    raise EvidenceUnavailable(
        "no revocation list that holds at that time is known", certificate=fingerprint_of(subject)
    )
