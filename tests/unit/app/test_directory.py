"""Which certificate of a party counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.container import Container
from app.directory import PartyDirectory
from identity.party import Actor
from kernel.clock import DemoClock
from kernel.database import read_only
from kernel.errors import NotFound
from pki.algorithms import fingerprint_of
from pki.revocation import revoke_certificate
from tests.unit.app.people import Visitor, enrol


def signing_digest(container: Container, party: str) -> str:
    with read_only(container.sessions) as session:
        return PartyDirectory(container.clock).signing_certificate_digest(session, party)


def test_names_and_certificates_are_found(registrar: Visitor, container: Container, tmp_path: Path) -> None:
    """The directory knows the registered name and the certificate that was issued."""
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer")

    assert signing_digest(container, "IR-2") == fingerprint_of(buyer.signer.certificate)
    with read_only(container.sessions) as session:
        directory = PartyDirectory(container.clock)
        assert directory.name(session, "IR-2") == "Name of IR-2"
        with pytest.raises(NotFound):
            directory.encryption_certificate(session, "IR-2")


@pytest.mark.parametrize("what", ["revoked", "over"])
def test_a_certificate_that_is_gone_does_not_count(
    registrar: Visitor, container: Container, tmp_path: Path, what: str
) -> None:
    """A revoked or expired certificate is as good as none."""
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer")
    if what == "over":
        assert isinstance(container.clock, DemoClock)
        container.clock.advance(timedelta(days=3 * 365))
    else:
        revoke_certificate(
            fingerprint_of(buyer.signer.certificate),
            "superseded",
            actor=Actor(registrar.party, frozenset({"registrar"}), ""),
            unit_of_work=container.unit_of_work,
            clock=container.clock,
            authority=container.authority,
        )

    with pytest.raises(NotFound):
        signing_digest(container, "IR-2")
