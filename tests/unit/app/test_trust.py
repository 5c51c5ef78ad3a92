"""The trust store follows the clock and the database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.container import Container
from kernel.clock import DemoClock
from pki.errors import RevocationUnknown


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
