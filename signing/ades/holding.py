"""Whether a signature holds that is about to be raised or joined: what does not hold is not kept for longer.

Only the mathematics: no certificate is judged, no time is asked.
"""

from __future__ import annotations

import hmac

from pki import algorithms, asn1
from signing.ades import octets
from signing.ades.cms_edit import SignedDataParts, SignerParts
from signing.ades.octets import element, elements
from signing.ades.tokens import readable, signer_certificate
from signing.errors import SignatureInvalid
from signing.validation.contents import DigestOf, NotCovered


def check_holds(parts: SignedDataParts, content: DigestOf | None) -> None:
    """Every signer's value over its attributes, and its message digest where the content is at hand.

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
        except (algorithms.AlgorithmRefused, asn1.NotDer) as error:
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
    found = [each.raw for each in elements(element(signer.fields[3]).content)]
    written = asn1.wrap(octets.SET, *found)
    try:
        algorithms.verify(key, algorithm, name, signer.signature, written)
    except algorithms.AlgorithmRefused:
        algorithms.verify(key, algorithm, name, signer.signature, asn1.wrap(octets.SET, *sorted(found)))
