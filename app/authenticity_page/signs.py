"""The sign beside each verdict: a shape of its own, so that nothing is told by colour alone."""

from __future__ import annotations

_OPEN = '<svg class="sign" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
_SHAPES = {
    # A seal with a tick.
    "authentic": '<circle cx="12" cy="12" r="10"/><path d="M7 12.5l3.4 3.5L17 8.8"/>',
    # Two sheets side by side: compare.
    "valid": '<path d="M3 4h7v16H3zM14 4h7v16h-7zM5 8h3M5 12h3M16 8h3M16 12h3"/>',
    # A sheet behind another.
    "superseded": '<path d="M8 3h12v14M4 7h12v14H4zM7 14h6M10.5 11.5L13 14l-2.5 2.5"/>',
    # A clock.
    "expired": '<circle cx="12" cy="12" r="10"/><path d="M12 6v6l4 3"/>',
    # An octagon with a cross.
    "revoked": '<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8zM8.5 8.5l7 7M15.5 8.5l-7 7"/>',
    # A torn triangle with a mark.
    "altered": '<path d="M12 2.5L22.5 21h-21zM12 9v6M12 17.6v.9"/>',
    "unknown": '<path d="M3 3h18v18H3zM9 9.5a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.1-1.5 2.2M12 17v.6"/>',
}
_SAME = {"corrected": "superseded", "refused": "altered"}


def sign(name: str) -> str:
    """The drawing for a state, a verdict or ``refused``."""
    return f"{_OPEN}{_SHAPES[_SAME.get(name, name)]}</svg>"
