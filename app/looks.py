"""When something was last looked at, so that it is not looked at more often than it changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass
class Look:
    """By the installation's clock; one that was set back is a reason to look again."""

    _at: datetime | None = None

    def is_due(self, now: datetime, at_most_every_seconds: float) -> bool:
        """Whether that much time has gone by since the last look that came to its end."""
        return self._at is None or not 0 <= (now - self._at).total_seconds() < at_most_every_seconds

    def note(self, now: datetime) -> None:
        """Looked, and did what was to be done; whoever fails does not note it and looks again."""
        self._at = now
