"""The responder's certificates: short-lived, renewed in time, recorded as every certificate is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select

from kernel.database import read_only
from pki import ocsp_responders
from pki.algorithms import fingerprint_of
from pki.installation import open_authority
from pki.issuance import record_authority
from pki.ocsp import LATER
from pki.ocsp_request import make_question
from pki.ocsp_responders import load_responder
from pki.orm import CertificateRow
from pki.registry import find_certificate
from tests.support.databases import Databases
from tests.support.ocsp import Seconds, ask, make_responder, pair, renew, revoke_service
from tests.support.registry import PASSPHRASE, Office, make_office

HALF_LIFE = timedelta(days=15)


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    made = make_office(tmp_path, databases.new())
    record_authority(made.authority, unit_of_work=made.unit_of_work, clock=made.clock)
    yield made
    made.close()


def states(office: Office) -> list[str]:
    query = select(CertificateRow.state).where(CertificateRow.profile == "ocsp-responder")
    with read_only(office.sessions) as session:
        return sorted(session.scalars(query))


def test_each_authority_certifies_one_key(office: Office) -> None:
    """An installation without a responder gets one key with a certificate of each authority, recorded and announced."""
    made = renew(office)
    with read_only(office.sessions) as session:
        recorded = [find_certificate(session, fingerprint_of(each)) for each in made]

    assert [each.issuer for each in made] == [each.certificate.subject for each in office.authority.issuers]
    assert made[0].public_key() == made[1].public_key()
    assert [each is not None and each.state for each in recorded] == ["issued", "issued"]
    assert [each["data"]["profile"] for each in office.events()[-2:]] == ["ocsp-responder"] * 2
    for each in made:
        extensions = each.extensions
        assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
            ExtendedKeyUsageOID.OCSP_SIGNING
        ]
        assert not extensions.get_extension_for_class(x509.OCSPNoCheck).critical
        assert each.not_valid_after_utc - office.clock.now() == timedelta(days=30)


def test_certificates_are_renewed_at_half_of_their_life(office: Office) -> None:
    """Not before; then with the same key, and a running responder takes the new ones into use at its next look."""
    timer = Seconds()
    first = renew(office)
    responder = make_responder(office, timer)
    assert ask(responder, office, "tsa").signer in first
    assert renew(office) == []

    office.clock.advance(HALF_LIFE)
    second = renew(office)
    timer.pass_look()

    assert ask(responder, office, "tsa").signer in second
    assert [each.public_key() for each in second] == [each.public_key() for each in first]
    assert renew(office) == []


def test_the_key_survives_a_restart(office: Office) -> None:
    """The key is in the store of the installation, and what is certified is found again."""
    made = renew(office)
    again = open_authority(office.authority.folder, PASSPHRASE)
    with read_only(office.sessions) as session:
        found = load_responder(session, again)

    assert found is not None
    assert list(found.certificates.values()) == made


def test_a_crash_leaves_an_abandoned_intent(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """When signing fails the intents stay on record, and the next attempt marks them and starts anew."""

    def fail(*_arguments: Any, **_named: Any) -> None:
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(ocsp_responders, "issue", fail)
        with pytest.raises(RuntimeError):
            renew(office)
    assert states(office) == ["intended", "intended"]

    assert len(renew(office)) == 2
    assert states(office) == ["abandoned", "abandoned", "issued", "issued"]


def test_a_revoked_or_expired_responder_says_nothing(office: Office) -> None:
    """An answer is never signed for a certificate of the responder that does not hold; renewing makes a new one."""
    timer = Seconds()
    made = renew(office)
    responder = make_responder(office, timer)
    asked = make_question([pair(office, "tsa")])
    assert ask(responder, office, "tsa").signer == made[1]

    revoke_service(made[1], "cessationOfOperation", **office.issuing)
    timer.pass_look()
    assert responder.respond(asked) is LATER
    assert ask(responder, office, "intermediate").signer == made[0]
    renewed = renew(office)
    timer.pass_look()
    assert [ask(responder, office, "tsa").signer] == renewed

    office.clock.advance(2 * HALF_LIFE)
    assert responder.respond(asked) is LATER


def test_no_answer_outlives_its_signer(office: Office) -> None:
    """Shortly before the certificate of the responder ends, so do the answers."""
    ends = renew(office)[1].not_valid_after_utc
    office.clock.advance(timedelta(days=30) - timedelta(minutes=10))

    assert ask(make_responder(office, Seconds()), office, "tsa").next_update == ends
