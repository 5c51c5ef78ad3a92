"""A plan: everything that two operators agree to before anything happens (``mohr/ceremony-plan/v1``).

It holds the file, the digest of every input, the state of the authority that it begins with and the transcript
before. So a signature under a plan is good for one ceremony on one authority, and never a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cryptography
from cryptography.hazmat.backends.openssl import backend

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import Conflict
from pki.authority_folder import ceremony_folders, read_description
from pki.ceremonies.document import CeremonyFile
from pki.ceremonies.operators import PLAN, Approval, Operator
from pki.errors import CeremonyRefused, TranscriptInvalid
from pki.issuers import Description

TRANSCRIPT_FILE = "transcript.json"
MAX_TRANSCRIPT_BYTES = 4 << 20
_BEGINNINGS = ("root", "request")


@dataclass(frozen=True)
class Plan:
    """``before``: the authority as it is; None where it begins. ``number``: of this ceremony, from 1."""

    document: CeremonyFile
    before: Description | None
    number: int
    previous: str | None

    @property
    def content(self) -> dict[str, Any]:
        return {
            "type": "mohr/ceremony-plan/v1",
            "file": self.document.content,
            "inputs": self.document.digests(),
            "authority": None if self.before is None else self.before.digest,
            "number": self.number,
            "previous": self.previous,
            "software": software(),
        }

    @property
    def to_bytes(self) -> bytes:
        """What is signed; raises MalformedInput where the file holds numbers with fractions or dates."""
        return canonical_bytes(self.content)

    def approve(self, operator: Operator) -> Approval:
        """That operator's signature under the plan."""
        return operator.sign(PLAN, self.to_bytes)


def prepare(document: CeremonyFile, folder: Path) -> Plan:
    """The plan of a ceremony on the authority in ``folder``; nothing is written.

    Raises Conflict if a ceremony of that id was held, CeremonyRefused if it may not be held here, or by these.
    """
    before = read_description(folder)
    held = ceremony_folders(folder)
    if any(each.name[5:] == document.id for each in held):
        raise Conflict("a ceremony of this id was held already", id=document.id)
    if before is None and document.kind not in _BEGINNINGS:
        raise CeremonyRefused("there is no authority here: it begins with a root or a request")
    if before is not None and "authority" in document.content:
        raise CeremonyRefused("[authority] stands only where an authority begins")
    if before is not None and before.operators:
        strangers = sorted({each.name for each in document.operators if each not in before.operators})
        if strangers:
            raise CeremonyRefused(
                "not an operator of this authority, or with another key", operators=strangers
            )
    previous = transcript_digest(held[-1]) if held else None
    return Plan(document, before, len(held) + 1, previous)


def transcript_digest(folder: Path) -> str:
    """The digest by which the next plan names the transcript in ``folder``."""
    try:
        data = (folder / TRANSCRIPT_FILE).read_bytes()
        signed = parse_canonical(data, max_bytes=MAX_TRANSCRIPT_BYTES)
        return sha256_hex(canonical_bytes(signed["transcript"]))
    except (OSError, KeyError) as error:
        raise TranscriptInvalid("a ceremony without its transcript", folder=folder.name) from error


def software() -> dict[str, str]:
    """What made it."""
    try:
        own = version("mohr")
    except PackageNotFoundError:
        own = "unpackaged"
    return {"mohr": own, "cryptography": cryptography.__version__, "openssl": backend.openssl_version_text()}
