"""What is known about the revocation of a certificate: by lists and OCSP answers whose signers are judged here.

A list or answer counts when (1) it is about this certificate of this issuer, (2) it is signed by the issuer, by
somebody of the same name with a path to the same anchor, or, for answers, by whom the issuer certified for it or the
trust names for it, (3) its signer was within its dates when it was issued, (4) it was issued after the certificate,
(5) what is said about a certificate that was over by then covers such ones, and (6) it is not from the future.
A signer other than the issuer that is revoked itself vouches for nothing after that, and for what it dated before only
where that is proven (``signer_revoked_at``): whoever took its key writes any date.
EN 319 102-1 §5.2.5 and §5.2.6.4, RFC 5280 §6.3.3, RFC 6960 §3.2 and §4.2.2.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509

from signing.validation.material import Material
from signing.validation.revocation_by_answers import by_answers
from signing.validation.revocation_by_lists import by_lists, list_is_about
from signing.validation.revocation_status import PathOf, Status, counts, newest_first


def statuses(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    material: Material,
    *,
    now: datetime,
    path_of: PathOf,
    responders: Iterable[x509.Certificate] = (),
) -> list[Status]:
    """All that counts, the newest first; ``now`` is the time after which everything is from the future."""
    found = [
        *by_lists(certificate, issuer, material, now, path_of),
        *by_answers(certificate, issuer, material, now, path_of, tuple(responders)),
    ]
    counting = (each for each in found if counts(each, certificate, now))
    return newest_first(counting)


def is_at_hand(certificate: x509.Certificate, material: Material) -> bool:
    """Whether anything claims to be about it, be it usable or not."""
    lists = any(
        list_is_about(each, certificate) for each in material.lists(certificate.issuer.public_bytes())
    )
    return lists or any(True for _ in material.answers(certificate.serial_number))
