"""Documents and papers for tests of the register, as an officer's own programs would make them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from typing import Any

from authenticity.papers import Entry, RegistrationPaper, StateChangePaper
from authenticity.record import Act
from kernel.canonical import sha256_hex
from pki.papers import Paper
from pki.signed_data import Signer
from signing.ades.cades import sign_file
from signing.ades.services import Level, Services
from signing.documents import sign_document


def report_file(signer: Signer, at: datetime, content: bytes | None = None) -> bytes:
    """A document of kind ``report`` that the shipped rule accepts: an enveloping signature (CAdES B-B) over a text."""
    text = content or b"a report " + secrets.token_hex(8).encode()
    return sign_file(BytesIO(text), signer, Level.B_B, Services(), at=at, enveloping=True)


def entry_of(content: bytes, identifier: str, at: datetime, **other: Any) -> Entry:
    """The entry of a public report, issued on that day; ``other`` fields as a test wants them."""
    made = Entry(
        identifier=identifier,
        digest=sha256_hex(content),
        size=len(content),
        media_type="application/pkcs7-mime",
        kind="report",
        title="گزارش کارکرد",
        issued_on=at.date().isoformat(),
        valid_until=None,
        disclosure="public",
    )
    return replace(made, **other)


def registration_paper(unit: str, entries: Sequence[Entry], signer: Signer, at: datetime) -> Paper:
    """What an officer signs to register documents."""
    return _signed(RegistrationPaper(unit, tuple(entries), secrets.token_hex(32)).to_document(), signer, at)


def change_paper(
    act: Act, identifier: str, signer: Signer, at: datetime, *, successor: str | None = None
) -> Paper:
    """What an officer signs to take a document out of force."""
    paper = StateChangePaper(act, identifier, successor, "صدور اشتباه", secrets.token_hex(32))
    return _signed(paper.to_document(), signer, at)


def _signed(document: dict[str, Any], signer: Signer, at: datetime) -> Paper:
    signed = sign_document(document, signer, at)
    return Paper(signed.document, signed.signature)
