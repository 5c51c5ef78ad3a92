"""What a consumer of events is."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy.orm import Session


class Consumer(Protocol):
    """Turns events into rows of its own. Delivery is at least once; the inbox makes the effect single."""

    @property
    def name(self) -> str:
        """Stable over releases: the inbox is keyed by it."""
        ...

    @property
    def reads_confidential(self) -> bool:
        """Whether it is handed events that the log shows only as a commitment."""
        ...

    def handle(self, session: Session, event: dict[str, Any]) -> None:
        """Write the effect with ``session``, never commit. Events of one subject come in their order.

        Whatever it raises is rolled back, and the event is handed over again later; types it does not know
        are to be passed over.
        """
        ...
