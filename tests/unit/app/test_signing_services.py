"""Signatures of a running installation: stamps and evidence in process, judged by others."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from app.container import Container
from app.signing_services import InstallationEvidence, InstallationStamps, services_of
from app.verifying import verify
from pki.ocsp import LATER
from signing.ades.cades import sign_file
from signing.ades.cms_edit import read_parts
from signing.ades.services import Level
from signing.errors import EvidenceUnavailable, TimestampUnavailable
from signing.validation.trust import Trust
from tests.support.authority import make_authority


def test_a_service_signs_to_the_highest_level(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the receipt key signs holds by itself long after the responder's certificate; without lists there are OCSP
    answers inside, without answers lists."""
    container.trust.refresh()
    container.responders.refresh()
    services, now = services_of(container), container.clock.now()
    signer = container.receipt_signer

    def sign() -> bytes:
        return sign_file(io.BytesIO(b"content"), signer, Level.B_LTA, services, at=now)

    trust = Trust.of([each.certificate for each in container.authority.roots])
    later = now + timedelta(days=120)
    assert verify(sign(), trust, at=later, clock=container.clock, content=b"content").passed
    with monkeypatch.context() as without_lists:
        without_lists.setattr(InstallationEvidence, "_lists", lambda *_: iter(()))
        inside = read_parts(sign()).evidence
    assert inside.ocsps
    assert not inside.crls
    monkeypatch.setattr(container.ocsp, "respond", lambda _request: LATER)
    inside = read_parts(sign()).evidence
    assert inside.crls
    assert not inside.ocsps


def test_what_an_installation_cannot_give(container: Container) -> None:
    """A certificate of somebody else, and a digest of no known length, are refused by name."""
    stamps, now = InstallationStamps(container), container.clock.now()
    stranger = make_authority().person("IR-0012345678")
    with pytest.raises(EvidenceUnavailable) as refused:
        InstallationEvidence(container).collect(stranger.certificate, stranger.chain, now)
    assert refused.value.fields["service"] == "this installation"
    with pytest.raises(TimestampUnavailable) as unstamped:
        stamps.stamp("sha256", b"of another length")
    assert unstamped.value.fields == {
        "service": "this installation",
        "answer": "the digest has the wrong length",
    }
