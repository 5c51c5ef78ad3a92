"""What ``mohr serve`` warns an administrator of."""

from __future__ import annotations

from app.container import Container
from app.serving import REGISTRARS_WARNING, warnings_of
from identity.party import Actor
from identity.use_cases.register_party import withdraw_role


def test_one_registrar_alone_is_warned_of(container: Container) -> None:
    """Two registrars are no matter; an installation from before there were two hears that nothing can be approved."""
    assert list(warnings_of(container)) == []
    first = Actor("IR-0000000001", frozenset({"registrar"}), "")
    withdraw_role("IR-0000000002", "registrar", actor=first, office=container.office)
    assert list(warnings_of(container)) == [REGISTRARS_WARNING]
