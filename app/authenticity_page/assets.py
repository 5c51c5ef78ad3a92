"""What the browser loads beside the page, by name: style, code, fonts and the decoder of QR codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}


@lru_cache(maxsize=1)
def assets() -> Mapping[str, tuple[bytes, str]]:
    """Content and media type by name below ``/authenticity/assets/``; nothing else is ever served there."""
    found = {name: (file.read_bytes(), _TYPES[name[name.rindex(".") :]]) for name, file in _files()}
    return MappingProxyType(found)


def _files() -> Iterator[tuple[str, Traversable]]:
    here, fonts = resources.files(__package__), resources.files("paper").joinpath("fonts")
    for name in ("page.css", "page.js", "identifier.js", "picture.js", "icon.svg"):
        yield name, here.joinpath("browser", name)
    for name in ("index.js", "decode.js"):
        yield f"qr/{name}", here.joinpath("vendor", "qr", name)
    for name in ("Vazirmatn-Regular.ttf", "Vazirmatn-Bold.ttf"):
        yield name, fonts.joinpath(name)
