"""Signing in by signature: the holder signs a fresh challenge together with the origin it was shown by.

The origin inside the signed bytes keeps a proof that was made for one site from being used at another.
Whoever issues challenges keeps them random, short-lived and single-use.
"""

from __future__ import annotations

import re
from datetime import datetime

from kernel.canonical import canonical_bytes
from kernel.errors import MalformedInput
from pki.trust import TrustStore, ValidatedCertificate
from signing.cms import Signer, sign_detached, signer_certificates, verify_detached

LOGIN_TYPE = "mohr/login/v1"
_CHALLENGE = re.compile(r"[0-9a-f]{64}")
_MAX_ORIGIN = 255


def login_document(challenge: str, origin: str) -> bytes:
    """The canonical bytes that are signed; raises MalformedInput unless the challenge is 64 hex digits."""
    if _CHALLENGE.fullmatch(challenge) is None:
        raise MalformedInput("a challenge is 64 lower-case hexadecimal digits")
    if not 0 < len(origin) <= _MAX_ORIGIN:
        raise MalformedInput("an origin has 1 to 255 characters")
    return canonical_bytes({"type": LOGIN_TYPE, "challenge": challenge, "origin": origin})


def prove_login(challenge: str, origin: str, signer: Signer, *, at: datetime) -> bytes:
    """The signature (DER) that signs its holder in at ``origin``."""
    return sign_detached(login_document(challenge, origin), signer, at=at)


def verify_login(
    challenge: str, origin: str, signature: bytes, trust: TrustStore, *, now: datetime
) -> ValidatedCertificate:
    """Who answered the challenge at this origin.

    The certificate is judged at ``now`` whatever time stamp the signature carries, and a revocation at any
    time refuses it. Raises what ``verify_detached`` raises.
    """
    verify_detached(login_document(challenge, origin), signature, trust, now=now)
    certificate, others = signer_certificates(signature)
    return trust.validate(certificate, others, now, "signature", revocation="ever")
