"""The OCDS extension for sealed bids, as the publisher serves it; and the official ones that packages use.

Official extensions are named at one commit each, so a package means the same for ever. Lots refer to definitions of the
extension for submission terms, and bid opening to those of the extension for locations, so both are named too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from kernel.errors import NotFound

_OFFICIAL = "https://raw.githubusercontent.com/open-contracting-extensions"
OFFICIAL_EXTENSIONS = (
    f"{_OFFICIAL}/ocds_lots_extension/8d3b52eb26ce0f1a015c91b665c120b17ef619a0/extension.json",
    f"{_OFFICIAL}/ocds_submissionTerms_extension/449ade63333a50f1e8cd2b0704c0a3c5e329a8a8/extension.json",
    f"{_OFFICIAL}/ocds_bid_extension/d62ff4b0ba393d823ca8113a9039b12edf7acb8f/extension.json",
    f"{_OFFICIAL}/ocds_location_extension/fcd56abaea4214d7f4d712087be32141badbe60c/extension.json",
    f"{_OFFICIAL}/ocds_bidOpening_extension/47c576527240c7cd4e1a0fa1b051a9fce2adf5e6/extension.json",
    f"{_OFFICIAL}/ocds_participationFee_extension/a39c5db94cd497b46b440c56a5f68036b14c7f8d/extension.json",
)
PATH = "/ocds/extensions/sealed-bids/v1"
POLICY_PATH = "/ocds/publication-policy.md"
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"json": "application/json", "csv": "text/csv; charset=utf-8", "md": "text/markdown; charset=utf-8"}
)
_CODELISTS = ("+documentType.csv", "digestAlgorithm.csv", "sealedEnvelopeStatus.csv")
FILES = ("extension.json", "release-schema.json", "README.md", *(f"codelists/{name}" for name in _CODELISTS))


def extensions(base_uri: str) -> list[str]:
    """The extensions that the packages of the publisher at ``base_uri`` declare."""
    return [*OFFICIAL_EXTENSIONS, f"{base_uri}{PATH}/extension.json"]


def extension_file(name: str, base_uri: str) -> bytes:
    """One of ``FILES`` as it is served below ``PATH``; raises NotFound."""
    if name not in FILES:
        raise NotFound("the extension has no such file")
    data = _read(name)
    if name != "extension.json":
        return data
    described = json.loads(data)
    described["documentationUrl"] = {"en": f"{base_uri}{PATH}/README.md"}
    return json.dumps(described, ensure_ascii=False, indent=2).encode()


def publication_policy() -> bytes:
    """The policy that packages name unless the publisher has one of its own."""
    return _read("publication-policy.md")


@cache
def _read(name: str) -> bytes:
    return files("transparency").joinpath("sealed_bids", *name.split("/")).read_bytes()
