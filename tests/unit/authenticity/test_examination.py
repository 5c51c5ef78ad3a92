"""A file that is handed in, held against the register: every way of altering it is named, and nothing is guessed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import segno

from authenticity.answers import Answer
from authenticity.examination import Looking, examine
from authenticity.identifier import grouped, new_identifier
from authenticity.pdf_pictures import page_picture
from authenticity.record import Record, Registration
from authenticity.signatories import signatories_of
from kernel.clock import SystemClock, format_utc
from signing.ades.services import Level
from signing.errors import DocumentUnreadable
from signing.pdf.long_term import extend_pdf
from signing.pdf.signing import sign_pdf
from signing.validation.report import Indication, ValidationReport
from tests.support.authority import make_authority
from tests.support.pdf_attacks import (
    body_of,
    comment_appended,
    content_replaced,
    page_appended,
    shadow_replace_prepared,
    update,
)
from tests.support.signing import services_of
from tests.support.small_pdf import plain_pdf
from tests.unit.authenticity.documents import archival_pdf, judged

IDENTIFIER = "44873063461045659411"
AUTHORITY = make_authority(clock=SystemClock())
SERVICES = services_of(AUTHORITY)
CLERK, CHIEF, STRANGER = (
    AUTHORITY.person(f"IR-{number}", name) for number, name in enumerate(("زهرا مرادی", "رضا نوری", "ناشناس"))
)
CLERK_NAME, CHIEF_NAME, STRANGER_NAME = "زهرا مرادی", "رضا نوری", "ناشناس"
SOURCE = plain_pdf([f"No. {grouped(IDENTIFIER)}"])


def signed(pdf: bytes, *signers: object) -> bytes:
    for signer in signers:
        pdf = sign_pdf(pdf, signer, Level.B_T, SERVICES, at=SystemClock().now())  # type: ignore[arg-type]
    return pdf


ONCE = signed(SOURCE, CLERK)
REGISTERED = signed(ONCE, CHIEF)


class Register:
    """One document, registered."""

    def __init__(self, content: bytes = REGISTERED, **changes: str | None) -> None:
        state = changes.pop("state", "valid")
        record = Record(
            document="01a20ec5-6f0d-74a0-8775-99e0578aae5f",
            identifier=IDENTIFIER,
            digest=sha256(content).hexdigest(),
            size=len(content),
            media_type="application/pdf",
            kind="letter",
            title="نامه",
            unit="IRO-1",
            unit_name="شهرداری",
            issued_on="2026-11-24",
            valid_until=None,
            disclosure="public",
            rule="city-1405-1",
        )
        report = judged(AUTHORITY, content)
        self.content = content
        self.registration = Registration(
            record=replace(record, **changes),  # type: ignore[arg-type]
            state=state,  # type: ignore[arg-type]
            registered_at="2026-11-24T10:00:00Z",
            signatories=signatories_of(report) if report else (),
            paper="0" * 64,
            event=b"{}",
            leaf_hash="0" * 64,
            salt="0" * 64,
        )

    def by_digest(self, digest: str) -> Registration | None:
        return self.registration if digest == self.registration.record.digest else None

    def by_identifier(self, identifier: str) -> Registration | None:
        return self.registration if identifier == IDENTIFIER else None

    def file_of(self, registration: Registration) -> bytes | None:
        return self.content


def report_on(content: bytes) -> ValidationReport:
    found = judged(AUTHORITY, content)
    if found is None:
        raise DocumentUnreadable("it cannot be read", kind="pdf")
    return found


def examined(content: bytes, register: Register | None = None) -> Answer:
    now = format_utc(SystemClock().now())
    return examine(content, register=register or Register(), looking=Looking(report_on), at=now)


def codes(answer: Answer) -> list[tuple[str, str | None]]:
    return [(each.code, each.since) for each in answer.alterations]


def named(answer: Answer, code: str) -> Iterable[str]:
    return [each.fields["signer"] for each in answer.alterations if each.code == code]


def test_the_very_bytes() -> None:
    """The registered bytes are authentic, and whatever took them out of force is said instead."""
    assert (examined(REGISTERED).verdict, examined(REGISTERED).alterations) == ("authentic", ())
    for state in ("superseded", "corrected", "revoked"):
        assert examined(REGISTERED, Register(state=state)).verdict == state
    assert (
        examined(REGISTERED, Register(valid_until="2026-11-01", issued_on="2026-10-01")).verdict == "expired"
    )


def test_a_copy_that_was_kept_provable() -> None:
    """Evidence and archive time stamps that were added leave a document authentic, and are told."""
    answer = examined(extend_pdf(REGISTERED, Level.B_LTA, SERVICES, at=SystemClock().now()))
    assert answer.verdict == "authentic"
    assert {code for code, _ in codes(answer)} <= {"long-term-data-added", "timestamp-added"}
    assert answer.alterations


def test_a_copy_whose_signatures_are_in_doubt() -> None:
    """Evidence that was added to a copy leaves it authentic only while its signatures pass."""
    kept = extend_pdf(REGISTERED, Level.B_LTA, SERVICES, at=SystemClock().now())

    def doubt(content: bytes) -> ValidationReport:
        return replace(report_on(content), indication=Indication.INDETERMINATE)

    now = format_utc(SystemClock().now())
    assert examine(kept, register=Register(), looking=Looking(doubt), at=now).verdict == "altered"


def test_no_crowd_of_evidence_hides_a_change() -> None:
    """A field that was filled behind more evidence than is listed alters a document, though its signature allows it."""
    registered = signed(shadow_replace_prepared(), CLERK)
    kept = extend_pdf(registered, Level.B_LTA, SERVICES, at=SystemClock().now())
    store = int(re.findall(rb"/DSS (\d+) 0 R", kept)[-1])
    for number in range(55):
        kept = update(kept, {store: body_of(kept, store)[:-2] + b"/MohrNo%d 1 >>" % number})
    changed = filled(kept, b"9")
    assert report_on(changed).passed
    assert examined(kept, Register(registered)).verdict == "authentic"
    answer = examined(changed, Register(registered))
    assert (answer.verdict, len(answer.alterations)) == ("altered", 50)


def test_a_change_like_one_that_was_registered() -> None:
    """A field that was registered as filled after its signature and is filled once more alters the document."""
    registered = filled(signed(shadow_replace_prepared(), CLERK), b"8")
    again = filled(extend_pdf(registered, Level.B_LTA, SERVICES, at=SystemClock().now()), b"9")
    assert report_on(again).passed
    answer = examined(again, Register(registered))
    assert (answer.verdict, ("form-field-filled", CLERK_NAME) in codes(answer)) == ("altered", True)


def filled(pdf: bytes, amount: bytes) -> bytes:
    """The amount in the form of ``shadow_replace_prepared``, filled in once more."""
    return update(
        pdf, {6: re.sub(rb"/V \(To pay: [0-9,]+\)", b"/V (To pay: " + amount + b")", body_of(pdf, 6))}
    )


def test_an_added_page_is_named_with_the_signature_before_it() -> None:
    """A page that was appended is told for each signature that it came after."""
    answer = examined(page_appended(REGISTERED))
    assert answer.verdict == "altered"
    assert {("page-added", CLERK_NAME), ("page-added", CHIEF_NAME)} <= set(codes(answer))


def test_changed_content_and_bytes_behind_the_end() -> None:
    """What an incremental update replaces, and what only stands behind the end, alters a document."""
    replaced = examined(content_replaced(REGISTERED))
    assert replaced.verdict == "altered"
    assert ("page-content-changed", CHIEF_NAME) in codes(replaced)
    answer = examined(comment_appended(REGISTERED))
    assert answer.verdict == "altered"
    assert answer.registration is not None


def test_a_further_signature() -> None:
    """A signature more than was registered is told, though all of them hold."""
    answer = examined(signed(REGISTERED, STRANGER))
    assert answer.verdict == "altered"
    assert named(answer, "signature-added") == [STRANGER_NAME]


def test_a_removed_signature() -> None:
    """The file cut off before its second signature lacks that one, by name."""
    answer = examined(ONCE)
    assert answer.verdict == "altered"
    assert named(answer, "signature-removed") == [CHIEF_NAME]
    assert "cut-off" in {code for code, _ in codes(answer)}


def test_the_signature_of_another() -> None:
    """The same page signed by somebody else lacks whose signatures were registered and bears another's."""
    answer = examined(signed(SOURCE, STRANGER))
    assert answer.verdict == "altered"
    assert named(answer, "signature-of-another") == [STRANGER_NAME]
    assert sorted(named(answer, "signature-removed")) == sorted([CLERK_NAME, CHIEF_NAME])


def test_a_copy_saved_anew(tmp_path: Path) -> None:
    """A program that writes the file anew breaks its signatures, and that is what is told."""
    (tmp_path / "in.pdf").write_bytes(REGISTERED)
    subprocess.run(["qpdf", "--linearize", tmp_path / "in.pdf", tmp_path / "out.pdf"], check=True)
    answer = examined((tmp_path / "out.pdf").read_bytes())
    assert answer.verdict == "altered"
    assert "signature-broken" in {code for code, _ in codes(answer)}


def test_a_scan_proves_nothing() -> None:
    """A picture of a document is unknown, whatever stands on it."""
    code = segno.make(f"https://city.example/d/{IDENTIFIER}", error="m").svg_inline(border=4, light="white")
    scan = page_picture(
        archival_pdf(f'#image(bytes({json.dumps(code)}), format: "svg", width: 40mm)'), 1, 800
    )
    answer = examined(scan)
    assert (answer.verdict, answer.registration, answer.claimed) == ("unknown", None, IDENTIFIER)


def test_of_a_withheld_document_nothing_is_told() -> None:
    """A file that only bears the identifier of a withheld document learns that it is another, and no more."""
    answer = examined(signed(SOURCE, STRANGER), Register(disclosure="withheld"))
    assert (answer.verdict, codes(answer)) == ("altered", [("other-bytes", None)])
    told = answer.to_document()["registration"]
    assert set(told) == {"identifier", "unit", "unit_name", "kind", "disclosure", "state"}


@pytest.mark.parametrize("content", [b"", b"plain text", b"%PDF-1.7 broken", plain_pdf(["another document"])])
def test_what_is_not_registered(content: bytes) -> None:
    """Other files of any kind, broken ones too, are unknown."""
    answer = examined(content)
    assert (answer.verdict, answer.claimed, codes(answer)) == ("unknown", None, [])


def test_a_wrong_claim() -> None:
    """A file that bears an identifier which is not registered is unknown, and the claim is told."""
    other = new_identifier()
    answer = examined(plain_pdf([f"No. {grouped(other)}"]))
    assert (answer.verdict, answer.registration, answer.claimed) == ("unknown", None, other)
