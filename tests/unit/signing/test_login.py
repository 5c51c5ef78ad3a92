"""Signing in: the proof belongs to one challenge, one origin and an unrevoked certificate."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kernel.errors import MalformedInput
from pki.errors import CertificateRevoked
from signing.cms import sign_detached, verify_detached
from signing.errors import SignatureInvalid
from signing.login import login_document, prove_login, verify_login
from tests.support.authority import after, make_authority

CHALLENGE = "ab" * 32
ORIGIN = "https://tenders.example"


def test_sign_in() -> None:
    """The answer to the challenge names the party of the certificate."""
    authority = make_authority()
    proof = prove_login(CHALLENGE, ORIGIN, authority.person("IR-1"), at=authority.now)
    found = verify_login(CHALLENGE, ORIGIN, proof, authority.trust_store(), now=authority.now)
    assert found.party == "IR-1"


@pytest.mark.parametrize(("challenge", "origin"), [("cd" * 32, ORIGIN), (CHALLENGE, "https://evil.example")])
def test_other_challenge_or_origin(challenge: str, origin: str) -> None:
    """A proof made for another challenge or for another site is worthless here."""
    authority = make_authority()
    proof = prove_login(challenge, origin, authority.person("IR-1"), at=authority.now)
    with pytest.raises(SignatureInvalid):
        verify_login(CHALLENGE, ORIGIN, proof, authority.trust_store(), now=authority.now)


def test_stamped_before_the_revocation() -> None:
    """A time stamp from before the revocation saves a document's signature, but signs nobody in."""
    authority = make_authority()
    signer = authority.person("IR-1")
    document = login_document(CHALLENGE, ORIGIN)
    proof = sign_detached(document, signer, at=authority.now, timestamp=authority.stamp)
    now = after(authority, timedelta(minutes=5))
    authority.revoke(signer.certificate)
    trust = authority.trust_store()
    assert verify_detached(document, proof, trust, now=now).valid
    with pytest.raises(CertificateRevoked):
        verify_login(CHALLENGE, ORIGIN, proof, trust, now=now)


@pytest.mark.parametrize(("challenge", "origin"), [("AB" * 32, ORIGIN), ("ab", ORIGIN), (CHALLENGE, "")])
def test_malformed_challenge(challenge: str, origin: str) -> None:
    """Challenges and origins of another form are not signed."""
    with pytest.raises(MalformedInput):
        login_document(challenge, origin)
