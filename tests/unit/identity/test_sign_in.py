"""Challenges, proofs and sessions against real certificates and a real database."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from identity.adapters.orm import ChallengeRow, SessionRow
from identity.errors import (
    ChallengeExpired,
    ChallengeUnknown,
    ChallengeUsed,
    LoginRefused,
    SessionEnded,
    TooManyChallenges,
)
from identity.ports import Office
from identity.use_cases.register_party import RegisterParty, register_party, withdraw_role
from identity.use_cases.sessions import authenticate, sign_out
from identity.use_cases.sign_in import NewSession, SignIn, give_challenge, sign_in, token_digest
from kernel.canonical import sha256_hex
from kernel.database import read_only
from kernel.errors import DomainError
from pki.algorithms import fingerprint_of
from signing.cms import Signer
from signing.login import prove_login
from tests.support.authority import MemoryAuthority, after, make_authority
from tests.unit.identity.conftest import ORIGIN, REGISTRAR


@pytest.fixture
def signer(authority: MemoryAuthority, office: Office) -> Signer:
    """A registered buyer with a certificate."""
    register_party(
        RegisterParty("IR-2", "Two", "person", frozenset({"buyer"})), actor=REGISTRAR, office=office
    )
    return authority.person("IR-2", "Two")


def answered(office: Office, signer: Signer) -> SignIn:
    challenge = give_challenge("here", office=office)
    return SignIn(
        challenge.challenge,
        prove_login(challenge.challenge, challenge.origin, signer, at=office.clock.now()),
    )


def signed_in(office: Office, signer: Signer) -> NewSession:
    return sign_in(answered(office, signer), office=office)


def reason(refusal: DomainError) -> object:
    return refusal.fields["reason"]


def test_the_holder_of_a_certificate_is_its_party(office: Office, signer: Signer) -> None:
    """A session knows party, roles and the very certificate that opened it."""
    opened = signed_in(office, signer)

    actor = authenticate(opened.token, office=office)

    assert (actor.party, actor.roles) == ("IR-2", frozenset({"buyer"}))
    assert actor.fingerprint == fingerprint_of(signer.certificate)


def test_the_token_is_kept_nowhere(office: Office, signer: Signer, sessions: sessionmaker[Session]) -> None:
    """A copy of the database opens no session: it holds the digest of a token of 256 bits."""
    opened = signed_in(office, signer)

    with read_only(sessions) as session:
        (row,) = session.execute(select(*SessionRow.__table__.columns)).all()
    assert row.token_digest == sha256_hex(opened.token.encode()) == token_digest(opened.token)
    assert opened.token not in str(row)
    assert len(opened.token) == 43


def test_a_proof_is_worth_nothing_at_another_origin(
    office: Office, elsewhere: Office, signer: Signer
) -> None:
    """A proof that a false site obtained by passing our challenge on names that site's address."""
    challenge = give_challenge("here", office=office)
    stolen = prove_login(challenge.challenge, elsewhere.origin, signer, at=office.clock.now())

    with pytest.raises(LoginRefused) as refused:
        sign_in(SignIn(challenge.challenge, stolen), office=office)

    assert reason(refused.value) == "signature-invalid"
    assert challenge.origin == ORIGIN


def test_a_challenge_is_answered_once(office: Office, signer: Signer) -> None:
    """The same proof doesn't count again, and neither does a fresh one for a spent challenge."""
    command = answered(office, signer)
    sign_in(command, office=office)

    with pytest.raises(ChallengeUsed):
        sign_in(command, office=office)


def test_of_many_at_once_one_is_let_in(office: Office, signer: Signer) -> None:
    """Eight threads that show one proof at the same moment get one session between them."""
    command = answered(office, signer)
    results: list[str] = []

    def show() -> None:
        try:
            sign_in(command, office=office)
            results.append("in")
        except ChallengeUsed:
            results.append("out")

    threads = [threading.Thread(target=show) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["in", *["out"] * 7]


def test_challenges_end(office: Office, signer: Signer, authority: MemoryAuthority) -> None:
    """At the very instant of its end a challenge is over; long after, it is unknown."""
    command = answered(office, signer)
    after(authority, timedelta(seconds=60))
    with pytest.raises(ChallengeExpired):
        sign_in(command, office=office)

    after(authority, timedelta(hours=2))
    give_challenge("there", office=office)
    with pytest.raises(ChallengeUnknown):
        sign_in(command, office=office)


def test_expired_challenges_are_forgotten(
    office: Office, authority: MemoryAuthority, sessions: sessionmaker[Session]
) -> None:
    """The table does not grow for ever."""
    give_challenge("here", office=office)
    after(authority, timedelta(hours=2))
    give_challenge("here", office=office)

    with read_only(sessions) as session:
        assert len(session.scalars(select(ChallengeRow)).all()) == 1


def test_outstanding_challenges_are_limited(
    office: Office, signer: Signer, authority: MemoryAuthority
) -> None:
    """Two for each source and four in all; an answered or expired one makes room."""
    command = answered(office, signer)
    give_challenge("here", office=office)
    with pytest.raises(TooManyChallenges):
        give_challenge("here", office=office)
    sign_in(command, office=office)
    give_challenge("here", office=office)
    give_challenge("there", office=office)
    give_challenge("there", office=office)
    with pytest.raises(TooManyChallenges):
        give_challenge("elsewhere", office=office)

    after(authority, timedelta(seconds=60))

    assert give_challenge("elsewhere", office=office).source == "elsewhere"


def test_garbage_is_no_proof(office: Office, signer: Signer) -> None:
    """Bytes that are no signature are refused like a wrong one."""
    challenge = give_challenge("here", office=office)

    with pytest.raises(LoginRefused) as refused:
        sign_in(SignIn(challenge.challenge, b"\x30\x80 nonsense"), office=office)

    assert reason(refused.value) == "signature-invalid"


def test_certificates_of_others_sign_nobody_in(office: Office, signer: Signer) -> None:
    """A perfect certificate below another root names any party and still opens nothing."""
    forged = make_authority(name="Other").person("IR-2", "Two")

    with pytest.raises(LoginRefused) as refused:
        signed_in(office, forged)

    assert reason(refused.value) == "certificate-untrusted"


def test_an_encryption_certificate_signs_nobody_in(
    office: Office, signer: Signer, authority: MemoryAuthority
) -> None:
    """A key that was certified for key agreement proves no login."""
    key, certificate = authority.member_encryption("IR-2", "Two")

    with pytest.raises(LoginRefused) as refused:
        signed_in(office, Signer(key, certificate, signer.chain))

    assert reason(refused.value) == "certificate-untrusted"


def test_a_revoked_certificate_signs_nobody_in(
    office: Office, signer: Signer, authority: MemoryAuthority
) -> None:
    """Revocation is looked at when signing in."""
    authority.revoke(signer.certificate)

    with pytest.raises(LoginRefused) as refused:
        signed_in(office, signer)

    assert reason(refused.value) == "certificate-revoked"


def test_revocation_ends_open_sessions(office: Office, signer: Signer, authority: MemoryAuthority) -> None:
    """A session is as good as its certificate: another valid one of the same party doesn't save it."""
    opened = signed_in(office, signer)
    renewed = signed_in(office, authority.person("IR-2", "Two"))
    authority.revoke(signer.certificate)

    with pytest.raises(SessionEnded) as refused:
        authenticate(opened.token, office=office)

    assert reason(refused.value) == "certificate-revoked"
    assert authenticate(renewed.token, office=office).party == "IR-2"


def test_sessions_end(office: Office, signer: Signer, authority: MemoryAuthority) -> None:
    """A session is good up to its end and not at it."""
    opened = signed_in(office, signer)
    after(authority, timedelta(seconds=3599))
    assert authenticate(opened.token, office=office)

    after(authority, timedelta(seconds=1))

    with pytest.raises(SessionEnded) as refused:
        authenticate(opened.token, office=office)
    assert reason(refused.value) == "expired"


def test_signing_out_ends_one_session_only(office: Office, signer: Signer) -> None:
    """Another session of the same party goes on; signing out twice does no harm."""
    first, second = signed_in(office, signer), signed_in(office, signer)
    sign_out(first.token, office=office)
    sign_out(first.token, office=office)

    with pytest.raises(SessionEnded) as refused:
        authenticate(first.token, office=office)
    assert reason(refused.value) == "signed-out"
    assert authenticate(second.token, office=office).party == "IR-2"


def test_roles_are_those_of_the_moment(office: Office, signer: Signer) -> None:
    """A role that was withdrawn is gone from sessions that are open."""
    opened = signed_in(office, signer)
    withdraw_role("IR-2", "buyer", actor=REGISTRAR, office=office)

    assert authenticate(opened.token, office=office).roles == frozenset()
