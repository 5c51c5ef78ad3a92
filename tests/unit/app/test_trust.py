"""The trust store follows the clock and the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

import pki.list_issuing as list_issuing
from app.container import Container
from kernel.clock import DemoClock
from pki.algorithms import fingerprint_of
from pki.errors import CertificateRevoked, RevocationUnknown
from pki.revocation import Verdict
from pki.revocation_proposals import confirm_revocation, propose_revocation
from procurement.ports import Actor


def test_lists_are_renewed_however_far_the_clock_jumps(container: Container) -> None:
    """After a jump of a hundred days the old lists are stale, and one refresh makes judging possible again."""
    assert isinstance(container.clock, DemoClock)
    container.trust.refresh()
    signer = container.receipt_signer
    container.clock.advance(timedelta(days=100))
    now = container.clock.now()

    with pytest.raises(RevocationUnknown):
        container.trust.store().validate(signer.certificate, signer.chain, now, "signature")
    container.trust.refresh()

    assert container.trust.store().validate(signer.certificate, signer.chain, now, "signature")


def test_the_store_can_be_asked_inside_a_transaction(container: Container) -> None:
    """Asking for the store takes no lock of the database, so a use case that writes can't block itself."""
    container.trust.refresh()
    with container.unit_of_work() as uow:
        uow.emit("ir.tehran.identity.party-registered.v1", "IR-2", {"party": "IR-2"})
        assert container.trust.store().crls() == container.trust.crls()


def test_a_revocation_is_known_before_the_long_list_follows(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that did not revoke learns of it from the delta, and takes the long list once the worker made it."""
    monkeypatch.setattr(list_issuing, "SHORT", -1)
    assert isinstance(container.clock, DemoClock)
    container.trust.refresh()
    certificate = container.receipt_signer.certificate
    actor = Actor("IR-1", frozenset({"registrar"}), "")
    use: dict[str, Any] = {"unit_of_work": container.unit_of_work, "clock": container.clock}
    verdict = Verdict("superseded")
    proposal = propose_revocation(fingerprint_of(certificate), verdict, actor=actor, **use)
    second = Actor("IR-2", frozenset({"registrar"}), "")
    confirm_revocation(proposal.id, actor=second, authority=container.authority, **use)

    container.trust.refresh(at_most_every_seconds=0)

    with pytest.raises(CertificateRevoked):
        container.trust.store().validate(
            certificate, [], container.clock.now(), "signature", revocation="ever"
        )
    assert len(container.trust.crls()) == 3
    container.clock.advance(timedelta(minutes=2))
    container.trust.renew_publication()
    newest = [x509.load_der_x509_crl(der) for der in container.trust.crls()]
    assert sum(len(each) for each in newest if not _is_delta(each)) == 1


def _is_delta(crl: x509.CertificateRevocationList) -> bool:
    return any(extension.oid == x509.DeltaCRLIndicator.oid for extension in crl.extensions)
