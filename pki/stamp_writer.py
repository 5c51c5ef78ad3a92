"""The token of a time stamp, written in one piece: the same bytes as ``signed_data.sign_data`` makes, sooner.

Of a token only the info, its digest and the signature change. All else (algorithms, signer, certificates, two of three
attributes) is encoded once; nothing that was encoded is decoded again.
"""

from __future__ import annotations

import hashlib

from cryptography.x509 import ObjectIdentifier

from pki import algorithms, asn1
from pki.asn1 import wrap
from pki.signed_data import ID_MESSAGE_DIGEST, ID_SIGNED_DATA, Signer, constant_attributes, signer_identifier

_SEQUENCE, _SET, _OCTETS, _CONTEXT_0 = 0x30, 0x31, 0x04, 0xA0
# StatusInfo of a granted request (RFC 3161 §2.4.2).
_GRANTED = wrap(_SEQUENCE, asn1.encode(0))


class StampWriter:
    """Writes tokens of one signer and content type; keeps nothing of what it has written."""

    def __init__(self, signer: Signer, content_type: ObjectIdentifier) -> None:
        suite = algorithms.suite_for(signer.key)
        digest = asn1.encode(
            asn1.HashAlgorithm(algorithm=algorithms.DIGEST_OIDS[suite.digest], parameters=None)
        )
        certificates = sorted(algorithms.der_of(each) for each in (signer.certificate, *signer.chain))
        self._key, self._digest = signer.key, suite.digest
        self._attributes = constant_attributes(signer.certificate, content_type)
        self._digest_type = asn1.encode(ID_MESSAGE_DIGEST)
        self._content_type = asn1.encode(content_type)
        self._before = asn1.encode(3) + wrap(_SET, digest)
        self._certificates = wrap(_CONTEXT_0, *certificates)
        self._signer = asn1.encode(1) + asn1.encode(signer_identifier(signer.certificate)) + digest
        self._algorithm = asn1.encode(suite.identifier)
        self._signed_data = asn1.encode(ID_SIGNED_DATA)

    def response(self, info: bytes, *, with_certificates: bool) -> bytes:
        """A granted TimeStampResp with the token over ``info``."""
        return wrap(_SEQUENCE, _GRANTED, self.token(info, with_certificates=with_certificates))

    def token(self, info: bytes, *, with_certificates: bool) -> bytes:
        """The ContentInfo with the signature over ``info`` (RFC 5652 §5.1)."""
        digest = wrap(_SET, wrap(_OCTETS, hashlib.new(self._digest, info).digest()))
        # X.690 §11.6: the elements of a set in the order of their encodings.
        attributes = b"".join(sorted((*self._attributes, wrap(_SEQUENCE, self._digest_type, digest))))
        signature = algorithms.sign(self._key, wrap(_SET, attributes))
        signer = wrap(
            _SEQUENCE,
            self._signer,
            wrap(_CONTEXT_0, attributes),
            self._algorithm,
            wrap(_OCTETS, signature),
        )
        signed = wrap(
            _SEQUENCE,
            self._before,
            wrap(_SEQUENCE, self._content_type, wrap(_CONTEXT_0, wrap(_OCTETS, info))),
            self._certificates if with_certificates else b"",
            wrap(_SET, signer),
        )
        return wrap(_SEQUENCE, self._signed_data, wrap(_CONTEXT_0, signed))
