"""The fence around pyhanko-certvalidator, which builds and validates certification paths (RFC 5280 §6.1).

It is given no revocation values and fetches nothing: what it decides about a path does not change with time,
except for dates, so trust.py may keep the result and judge dates and revocation at each call.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any

from asn1crypto import x509 as asn1crypto_x509
from cryptography import x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import ExpiredError, NotYetValidError, PathBuildingError
from pyhanko_certvalidator.policy_decl import (
    AcceptAllAlgorithms,
    AlgorithmUsagePolicy,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)

from pki import asn1
from pki.algorithms import der_of
from pki.errors import CertificateExpired, CertificateUntrusted
from pki.proven_certificates import issued_below

# asn1crypto parses lazily and keeps what it parsed: one thread at a time.
_LOCK = Lock()
_LATER = CertRevTrustPolicy(
    RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
)
_ANY_ALGORITHM = AcceptAllAlgorithms()


def _prepare_name(value: asn1crypto_x509.NameTypeAndValue, text: str) -> str:
    """String preparation of names, for texts that run right to left too.

    asn1crypto refuses a Persian text that ends in a digit, such as "منطقه ۸", by the bidirectional rule of
    RFC 3454 §6; for names RFC 4518 §2.5 says that this rule is ignored.
    """
    try:
        return str(_PREPARE(value, text))
    except ValueError as error:
        if "bidirectional" not in str(error):
            raise
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return f" {'  '.join(folded.split())} "


_PREPARE = asn1crypto_x509.NameTypeAndValue._ldap_string_prep
asn1crypto_x509.NameTypeAndValue._ldap_string_prep = _prepare_name


def find_path(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """The valid path, root first; raises CertificateExpired or CertificateUntrusted."""
    try:
        proven = issued_below(roots, others)
        with _LOCK:
            return _find_path(certificate, proven, roots, at)
    except (ExpiredError, NotYetValidError) as error:
        raise CertificateExpired("a certificate of the path is not valid at that time") from error
    except Exception as error:
        # Hostile certificates make the parser behind the fence fail in many ways; each means no path.
        raise CertificateUntrusted("there is no valid path to a trusted root") from error


def _find_path(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
    algorithms: AlgorithmUsagePolicy | None = None,
) -> tuple[x509.Certificate, ...]:
    """``others`` have to be proven: the library tries every way that names leave open."""
    context = ValidationContext(
        trust_roots=[_foreign(root) for root in roots],
        other_certs=[_foreign(other) for other in others],
        moment=at,
        allow_fetching=False,
        crls=[],
        revinfo_policy=_LATER,
        algorithm_usage_policy=algorithms,
        time_tolerance=timedelta(0),
    )
    validator = CertificateValidator(_foreign(certificate), validation_context=context)
    found = [item.dump() for item in _run(validator.async_validate_path())]
    if not all(asn1.fills_its_octets(der) for der in found):
        raise asn1.NotDer("a signature does not fill its octets")
    return tuple(x509.load_der_x509_certificate(der) for der in found)


@lru_cache(maxsize=64)
def _foreign_of(der: bytes) -> asn1crypto_x509.Certificate:
    return asn1crypto_x509.Certificate.load(der, strict=True)


def _foreign(certificate: x509.Certificate) -> asn1crypto_x509.Certificate:
    return _foreign_of(der_of(certificate))


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # Nothing is fetched, so the coroutine never waits and needs no event loop; it runs in any thread.
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    finally:
        coroutine.close()
    raise RuntimeError("path validation tried to wait for something")


class PathMissing(ValueError):
    """No chain of names and keys leads from the certificate to an anchor."""


class PathRefused(ValueError):
    """There is a chain, but RFC 5280 §6.1 refuses it; the message says what the library names."""


def find_prospective_path(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    moments: Sequence[datetime],
) -> tuple[x509.Certificate, ...]:
    """The path, anchor first, that is valid at the first of ``moments`` at which there is one, whatever its algorithms.

    For judging what anybody signed at any time: dates, revocation and algorithms of the path are then judged by the
    caller, who has dated rules for them. Raises PathMissing or PathRefused.
    """
    refused: Exception | None = None
    proven = issued_below(anchors, others)
    for moment in moments:
        try:
            with _LOCK:
                return _find_path(certificate, proven, anchors, moment, _ANY_ALGORITHM)
        except PathBuildingError as error:
            raise PathMissing("no chain leads to a trust anchor") from error
        except Exception as error:  # as in find_path
            refused = refused or error
    raise PathRefused(str(refused)[:300]) from refused
