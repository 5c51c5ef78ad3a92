"""Whether a signature holds that is about to be raised or joined: what does not hold is not kept for longer.

Only the mathematics: no certificate is judged, no time is asked.
"""

from __future__ import annotations

import hashlib
import hmac

from pki import algorithms, asn1
from pki.asn1 import ades
from signing.ades import octets
from signing.ades.archive_timestamp import archive_coverage, archive_imprint, index_of_token
from signing.ades.cms_edit import SignedDataParts, SignerParts
from signing.ades.octets import children
from signing.ades.tokens import read_token, readable, signer_certificate
from signing.errors import SignatureInvalid
from signing.validation.contents import DigestOf, NotCovered

_SIGNED = 0xA0


def check_holds(parts: SignedDataParts, content: DigestOf | None) -> None:
    """Every signer's value over its attributes, its message digest where the content is at hand, and what its time
    stamps are over.

    Raises SignatureInvalid; also for algorithms that are not accepted here.
    """
    if not parts.signers:
        raise SignatureInvalid("nobody has signed")
    known = readable(parts.evidence.certificates)
    for signer in parts.signers:
        certificate = signer_certificate(signer, known)
        if certificate is None:
            raise SignatureInvalid("the signer's certificate is not inside")
        name = signer.digest_name
        if name is None:
            raise SignatureInvalid("the digest algorithm is not accepted")
        if content is not None and not hmac.compare_digest(_digest(content, name), signer.message_digest):
            raise SignatureInvalid("the content is not what was signed")
        try:
            key = algorithms.public_key_of(certificate)
            algorithm = asn1.decode(asn1.SignatureAlgorithm, signer.signature_algorithm)
            _verify(key, algorithm, name, signer)
            _check_stamps(parts, signer, content)
        except (algorithms.AlgorithmRefused, asn1.NotDer, NotCovered) as error:
            raise SignatureInvalid(str(error)) from error


def _digest(content: DigestOf, name: str) -> bytes:
    try:
        return content(name)
    except NotCovered as error:
        raise SignatureInvalid(str(error)) from error


def _verify(
    key: algorithms.PublicKey, algorithm: asn1.SignatureAlgorithm, name: str, signer: SignerParts
) -> None:
    # RFC 5652 §5.4: the value is over the DER of the attributes; some writers sign them in the order they wrote.
    found = [each.raw for each in children(signer.fields[3], _SIGNED)]
    written = asn1.wrap(octets.SET, *found)
    try:
        algorithms.verify(key, algorithm, name, signer.signature, written)
    except algorithms.AlgorithmRefused:
        algorithms.verify(key, algorithm, name, signer.signature, asn1.wrap(octets.SET, *sorted(found)))


def _check_stamps(parts: SignedDataParts, signer: SignerParts, content: DigestOf | None) -> None:
    # A stamp by a digest that is not accepted is left to the judgement.
    for each in signer.values(ades.ID_SIGNATURE_TIME_STAMP):
        token = read_token(each)
        name = token.digest_name
        if name is not None and hashlib.new(name, signer.signature).digest() != token.imprint:
            raise NotCovered("a time stamp is over another signature")
    for each in signer.values(ades.ID_ARCHIVE_TIME_STAMP_V3):
        token, index = read_token(each), index_of_token(each)
        name = token.digest_name
        archive_coverage(parts, signer, index)
        digest = content if content is not None or name != signer.digest_name else _as_signed(signer)
        if name is None or (digest is None and parts.content is None):
            continue
        if archive_imprint(parts, signer, index, digest)(name) != token.imprint:
            raise NotCovered("an archive time stamp is over something else")


def _as_signed(signer: SignerParts) -> DigestOf:
    return lambda _algorithm: signer.message_digest
