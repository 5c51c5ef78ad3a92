"""How a signature in a PDF looks and what it forbids, in plain values, as commands and requests name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from signing.pdf.signing import Wishes

LockAction = Literal["All", "Include", "Exclude"]


@dataclass(frozen=True, slots=True)
class PdfWishes:
    """``visible``: a page counted from 1, and left, bottom, right and top in points; ``lock``: which fields, by names;
    ``certify``: 1 no changes, 2 filling forms, 3 annotations as well.
    """

    field: str | None = None
    visible: tuple[int, float, float, float, float] | None = None
    qr: str | None = None
    lock: tuple[LockAction, tuple[str, ...]] | None = None
    certify: int | None = None
    reason: str | None = None
    location: str | None = None

    def as_keywords(self) -> Wishes:
        """As ``prepare_pdf`` and ``sign_pdf`` take them; raises SigningForbidden for a rectangle without area."""
        from signing.pdf.appearance import Appearance
        from signing.pdf.fields import Lock, Permission, Place

        wishes: Wishes = {"field": self.field, "reason": self.reason, "location": self.location}
        if self.visible is not None:
            page, left, bottom, right, top = self.visible
            wishes["appearance"] = Appearance(Place(page - 1, (left, bottom, right, top)), self.qr)
        if self.lock is not None:
            wishes["lock"] = Lock(*self.lock)
        if self.certify is not None:
            wishes["certify"] = Permission(self.certify)
        return wishes


INVISIBLE = PdfWishes()
