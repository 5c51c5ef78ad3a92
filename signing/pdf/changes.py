"""What was changed in a PDF after a signature, in words."""

from __future__ import annotations

from signing.pdf.opening import Reader
from signing.pdf.signature_fields import PlacedSignature
from signing.validation.contents import Change, Finding


def changes_after(reader: Reader, placed: PlacedSignature) -> tuple[tuple[Change, ...], tuple[Finding, ...]]:
    return (), ()
