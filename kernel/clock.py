"""The one source of time. Everything else receives a ``Clock`` or an instant as an argument."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from kernel.errors import MalformedInput


class Clock(Protocol):
    """Answers what time it is, as an aware UTC datetime."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock for tests and audits that moves only when told."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant.astimezone(UTC)

    def now(self) -> datetime:
        return self._instant

    def advance(self, step: timedelta) -> None:
        self._instant += step


class DemoClock:
    """The machine's clock plus the offset in a shared file, for installations made with ``mohr init --demo``.

    The file holds one integer: seconds ahead of the machine's clock. It only ever grows, and no
    endpoint writes it, so every process of a demo installation agrees and time never runs back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._offset = 0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        stat = os.stat(self.path)
        seen = (stat.st_mtime_ns, stat.st_ino)
        with self._lock:
            if seen != self._seen:
                try:
                    offset = int(self.path.read_text("ascii").strip())
                except ValueError as error:
                    raise MalformedInput("the demo clock file does not hold one integer") from error
                self._offset, self._seen = max(self._offset, offset), seen
            return datetime.now(UTC) + timedelta(seconds=self._offset)

    def advance(self, step: timedelta) -> datetime:
        """Move every reader of the file forward by ``step`` (whole seconds, rounded up)."""
        if step < timedelta(0):
            raise MalformedInput("time does not run back")
        seconds = int(-(-step.total_seconds() // 1))
        current = int(self.path.read_text("ascii").strip())
        write_demo_clock(self.path, current + seconds)
        return self.now()


def write_demo_clock(path: Path, offset_seconds: int) -> None:
    """Replace the clock file in one step, so that no reader sees half a number."""
    staged = path.with_name(f"{path.name}.{os.getpid()}.staged")
    staged.write_text(f"{offset_seconds}\n", "ascii")
    os.replace(staged, path)


def format_utc(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds: ``2026-11-24T00:22:00.000000Z``; sorts as it reads."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_utc(text: str) -> datetime:
    """Read an RFC 3339 instant that names its offset; raises MalformedInput otherwise."""
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise MalformedInput("not an RFC 3339 instant", value=str(text)[:64]) from error
    if instant.tzinfo is None:
        raise MalformedInput("an instant must name its offset", value=text[:64])
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise MalformedInput("an instant beyond the calendar", value=text[:64]) from error
