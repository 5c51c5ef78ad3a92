"""Documents of a city for tests: laid out with identifier and QR code, signed, and entered into a register by hand.

So any state of the register can be set up, also one that an officer needs years for.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from hashlib import sha256

import segno
import typst

from app.container import Container
from app.register_desk import register_desk
from app.signing_services import services_of
from app.verifying import InstallationTrust, verify
from authenticity.identifier import grouped
from authenticity.record import STATE_OF, Act, Change, Record, Registration, Signatory
from authenticity.signatories import signatories_of
from documents.register.lookup import by_identifier, signatories_text
from documents.register.orm import DocumentChangeRow, RegisteredDocumentRow
from kernel.clock import format_utc
from kernel.database import read_only
from kernel.ids import new_id
from paper.glyphs import FAMILY, shipped_fonts
from paper.persian import digits
from pki.signed_data import Signer
from schemas.events import DOCUMENT_REGISTERED, DOCUMENT_STATE_CHANGED
from signing.ades.services import Level
from signing.pdf.signing import sign_pdf
from transparency.commitment import commitment

UNIT, UNIT_NAME = "IRO-14003000001", "شهرداری تهران، سازمان فناوری اطلاعات"
TITLE = "صورتجلسه کمیسیون مناقصه ۱۴۰۵/۲۷: خرید سامانه روشنایی معابر"


def city_pdf(identifier: str, base_url: str, *lines: str) -> bytes:
    """One archival page with a title, lines, the identifier in writing and as a QR code."""
    drawn = io.BytesIO()
    segno.make(f"{base_url}/d/{identifier}", error="m").save(drawn, kind="svg", border=4, scale=4)
    quoted = drawn.getvalue().decode().replace("\\", "\\\\").replace('"', '\\"')
    body = "\n\n".join(lines)
    source = (
        f'#set document(title: "سند")\n#set text(font: "{FAMILY}", size: 14pt, lang: "fa", dir: rtl)\n'
        f"= {TITLE}\n\n{body}\n\n#v(1cm)\n"
        f'#image(bytes("{quoted}"), format: "svg", width: 3.4cm)\n'
        f"شناسه سند: #text(dir: ltr)[{digits(grouped(identifier))}]"
    )
    pdf = typst.compile(
        source.encode(),
        format="pdf",
        font_paths=shipped_fonts(),
        ignore_system_fonts=True,
        pdf_standards=["a-2b"],
    )
    assert isinstance(pdf, bytes)
    return pdf


def signed_pdf(container: Container, pdf: bytes, *signers: Signer, level: Level = Level.B_LTA) -> bytes:
    """Signed by each, one after the other."""
    for signer in signers:
        pdf = sign_pdf(pdf, signer, level, services_of(container), at=container.clock.now())
    return pdf


def signers_of(container: Container, content: bytes) -> tuple[Signatory, ...]:
    """As they are judged by the installation."""
    trust = InstallationTrust(container)
    clock = container.clock
    report = verify(content, trust.current(), at=None, clock=clock, fetched=trust.completed)
    return signatories_of(report)


def enter(
    container: Container,
    identifier: str,
    content: bytes,
    *,
    signatories: Sequence[Signatory] = (),
    **changes: object,
) -> Registration:
    """Register a document: its file, its row and its entry in the log. ``changes``: fields of ``Record``."""
    stated: dict[str, object] = {
        "media_type": "application/pdf",
        "kind": "minutes",
        "title": TITLE,
        "unit": UNIT,
        "unit_name": UNIT_NAME,
        "issued_on": container.clock.now().date().isoformat(),
        "valid_until": None,
        "disclosure": "public",
        "rule": "city-1405-1",
        **changes,
    }
    digest = sha256(content).hexdigest()
    record = Record(document=new_id(), identifier=identifier, digest=digest, size=len(content), **stated)  # type: ignore[arg-type]
    salt, paper = secrets.token_bytes(32), secrets.token_hex(32)
    files = register_desk(container).files
    files.receive(content)
    with container.unit_of_work() as uow:
        told = {
            "unit": record.unit,
            "kind": record.kind,
            "commitment": record.commitment(salt),
            "paper": paper,
        }
        if record.disclosure == "public":
            told["digest"] = digest
        emitted = uow.emit(DOCUMENT_REGISTERED.name, record.document, {"document": record.document, **told})
        fields = {name: value for name, value in record.to_json().items() if name != "document"}
        uow.session.add(
            RegisteredDocumentRow(
                id=record.document,
                **fields,
                state="valid",
                registered_at=format_utc(container.clock.now()),
                signatories=signatories_text(signatories),
                paper=paper,
                event=emitted.event,
                leaf_hash=emitted.leaf_hash,
                salt=salt.hex(),
            )
        )
        uow.commit()
    files.keep([digest])
    return registered(container, identifier)


def take_out_of_force(
    container: Container, identifier: str, act: Act, reason: str, successor: str | None = None
) -> Registration:
    """Change the state of a document."""
    found = registered(container, identifier)
    document, at = found.record.document, format_utc(container.clock.now())
    salt, paper = secrets.token_bytes(32), secrets.token_hex(32)
    change = Change(act, at, reason, successor, paper, "", salt.hex())
    content = {"document": document, "act": act, "at": at, "reason": reason, "successor": successor}
    told = {"state": STATE_OF[act], "commitment": commitment(content, salt), "paper": paper}
    with container.unit_of_work() as uow:
        emitted = uow.emit(DOCUMENT_STATE_CHANGED.name, document, {"document": document, **told})
        row = uow.session.get(RegisteredDocumentRow, document)
        assert row is not None
        row.state = STATE_OF[act]
        uow.session.add(
            DocumentChangeRow(
                document=document,
                number=1,
                act=act,
                at=at,
                reason=reason,
                successor=successor,
                paper=paper,
                leaf_hash=emitted.leaf_hash,
                salt=change.salt,
            )
        )
        uow.commit()
    return registered(container, identifier)


def registered(container: Container, identifier: str) -> Registration:
    """What the register holds under an identifier."""
    with read_only(container.sessions) as session:
        found = by_identifier(session, identifier)
    assert found is not None
    return found
