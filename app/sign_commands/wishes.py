"""The options that say how a signature in a PDF looks and what it forbids."""

from __future__ import annotations

import math
from typing import Any

import click

from signing.pdf_wishes import PdfWishes

PERMISSIONS = {"no-changes": 1, "fill-forms": 2, "annotate": 3}


class Place(click.ParamType[Any]):
    """``page,x,y,w,h``: a page counted from 1 and a rectangle in points from its lower left corner."""

    name = "page,x,y,w,h"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parts = str(value).split(",")
        try:
            page, (x, y, w, h) = int(parts[0]), (float(each) for each in parts[1:])
        except ValueError:
            self.fail(f"{value!r} is not page,x,y,w,h", param, ctx)
        if page < 1 or not all(map(math.isfinite, (x, y, w, h))) or w <= 0 or h <= 0:
            self.fail("a page counts from 1, and a rectangle has an area", param, ctx)
        return page, x, y, x + w, y + h


class FieldLock(click.ParamType[Any]):
    """``all``, ``NAME,NAME`` or ``all-but:NAME,NAME``."""

    name = "all|NAME,..|all-but:NAME,.."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if text.lower() == "all":
            return ("All", ())
        but = text.lower().startswith("all-but:")
        action = "Exclude" if but else "Include"
        names = tuple(each.strip() for each in (text[len("all-but:") :] if but else text).split(","))
        if not all(names):
            self.fail("name the fields, with commas", param, ctx)
        return (action, names)


_OPTIONS = (
    click.option("--field", help="An empty signature field, or the name of a new one."),
    click.option(
        "--visible",
        type=Place(),
        metavar="page,x,y,w,h",
        help="Where it is seen, in points from the lower left corner of the page before it is turned (/Rotate); "
        "invisible otherwise.",
    ),
    click.option("--reason", help="Why it is signed; stands in the signature."),
    click.option("--location", help="Where it is signed."),
    click.option(
        "--lock",
        type=FieldLock(),
        metavar="all|NAME,..|all-but:NAME,..",
        help="Form fields that may not change afterwards; after all nobody signs any more.",
    ),
    click.option(
        "--certify",
        type=click.Choice(list(PERMISSIONS)),
        help="Make it the document's certification: what others may still do.",
    ),
    click.option("--qr", metavar="TEXT", help="What a QR code beside a visible signature says."),
)


def pdf_options(command: Any) -> Any:
    """``--field``, ``--visible`` and the others."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def pdf_wishes(options: dict[str, Any]) -> PdfWishes:
    """Takes its own out of the options; raises UsageError for a QR code that nobody would see."""
    certify = options.pop("certify")
    wished = {name: options.pop(name) for name in ("field", "visible", "reason", "location", "lock", "qr")}
    if wished["qr"] is not None and wished["visible"] is None:
        raise click.UsageError("--qr needs --visible")
    return PdfWishes(**wished, certify=None if certify is None else PERMISSIONS[certify])
