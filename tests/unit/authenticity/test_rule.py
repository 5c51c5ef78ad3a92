"""The electronic documents rule: read strictly, by the day, and what it asks of a document."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import authenticity.rule
from authenticity.errors import KindUnknown, RuleBroken
from authenticity.papers import Entry
from authenticity.rule import DatedRule, DocumentsRule
from authenticity.rule_check import check_against_rule, require_rule
from kernel.clock import SystemClock
from kernel.errors import MalformedInput
from signing.ades.services import Level
from signing.pdf.signing import sign_pdf
from tests.support.authority import make_authority
from tests.support.pdf_attacks import body_of, shadow_replace_prepared, update
from tests.support.signing import services_of
from tests.support.small_pdf import plain_pdf
from tests.unit.authenticity.documents import archival_pdf, judged

SHIPPED = (Path(authenticity.rule.__file__).parent / "rules" / "city-1405-1.toml").read_text("utf-8")
AUTHORITY = make_authority(clock=SystemClock())
SERVICES = services_of(AUTHORITY)
CLERK = AUTHORITY.person("IR-1", "زهرا مرادی", organization="شهرداری")
OTHER = AUTHORITY.person("IR-2", "رضا نوری", organization="شهرداری")
SEAL = AUTHORITY.organisation("IRO-1", "شهرداری")


def signed(pdf: bytes, level: Level, *signers: object) -> bytes:
    for signer in signers:
        pdf = sign_pdf(pdf, signer, level, SERVICES, at=SystemClock().now())  # type: ignore[arg-type]
    return pdf


def demands(kind: str, content: bytes) -> dict[str, tuple[str, str]]:
    """What is missing for that kind."""
    rule = DatedRule.default().on(date(2026, 11, 24)).kind(kind)
    report = judged(AUTHORITY, content)
    return {
        each.demand: (each.found, each.wanted) for each in check_against_rule(entry(), rule, content, report)
    }


def entry() -> Entry:
    return Entry("4" * 20, "0" * 64, 1, "application/pdf", "award", "t", "2026-11-24", None, "public")


def test_what_has_everything_is_taken() -> None:
    """An award as PDF/A with one signature at B-LT, and minutes with two people's at B-T, lack nothing."""
    assert demands("award", signed(archival_pdf(), Level.B_LT, SEAL)) == {}
    assert demands("minutes", signed(plain_pdf(), Level.B_T, CLERK, OTHER)) == {}
    assert demands("deposit", b"any bytes at all") == {}


def test_each_demand_is_named() -> None:
    """Format, level, number and kind of signers that are missing are named, each with what was found."""
    assert demands("award", signed(plain_pdf(), Level.B_B, CLERK)) == {
        "formats": ("pdf", "pdf-a"),
        "level": ("B-B", "B-LT"),
    }
    assert demands("minutes", signed(plain_pdf(), Level.B_T, CLERK, CLERK)) == {"signatures": ("1", "2")}
    assert demands("minutes", signed(plain_pdf(), Level.B_T, SEAL)) == {
        "signers": ("organisation-seal", "person-signing")
    }
    assert demands("letter", plain_pdf()) == {"signatures": ("0", "1")}
    assert demands("letter", b"no PDF")["formats"] == ("other", "pdf, pdf-a")


def test_a_broken_signature_beside_a_good_one() -> None:
    """A document with a signature that fails is registered as nothing, not even as a deposit."""
    good = signed(plain_pdf(), Level.B_B, CLERK)
    broken = good.replace(b"To pay", b"To get", 1)
    assert good != broken
    assert "signatures" in demands("deposit", broken)


def test_a_signature_that_is_not_over_the_whole_file() -> None:
    """A field that was filled after the only signature leaves a signature that holds and does not count."""
    form = signed(shadow_replace_prepared(), Level.B_B, CLERK)
    body = body_of(form, 6)
    later = update(form, {6: body.replace(b"/V (To pay: 9,000)", b"/V (To pay: 9)")})
    assert body_of(later, 6) != body
    report = judged(AUTHORITY, later)
    assert report is not None
    assert report.passed
    assert demands("letter", form) == {}
    assert demands("letter", later) == {"signatures": ("0", "1")}


def test_the_refusal_cites_the_clause() -> None:
    """The refusal lists every demand, in both languages, and cites the article of the first."""
    kind = DatedRule.default().on(date(2026, 11, 24)).kind("award")
    with pytest.raises(RuleBroken) as refused:
        require_rule(entry(), kind, plain_pdf(), None)
    assert refused.value.article == "Electronic Commerce Law 1382 Art. 8"
    first = refused.value.fields["demands"][0]
    assert first["said"]["fa"] != first["said"]["en"]
    assert first["clause"]["en"] == "Electronic Commerce Law 1382 Art. 8"


def test_what_the_law_keeps_on_paper() -> None:
    """A deed of ownership of immovable property is refused with its article, another unknown kind without one."""
    rule = DatedRule.default().on(date(2026, 11, 24))
    with pytest.raises(KindUnknown) as refused:
        rule.kind("title-deed")
    assert refused.value.article == "Electronic Commerce Law 1382 Art. 6"
    with pytest.raises(KindUnknown) as refused:
        rule.kind("poem")
    assert refused.value.article is None


def test_the_version_of_the_day() -> None:
    """Each day has the version whose first day came last; before the first there is none."""
    first = DocumentsRule.parse(SHIPPED.encode())
    later = DocumentsRule.parse(
        SHIPPED.replace("city-1405-1", "city-1406-1").replace("2026-03-21", "2027-03-21").encode()
    )
    dated = DatedRule.of((later, first))
    assert dated.on(date(2027, 3, 20)).version == "city-1405-1"
    assert dated.on(date(2027, 3, 21)).version == "city-1406-1"
    with pytest.raises(KindUnknown):
        dated.on(date(2026, 3, 20))
    with pytest.raises(MalformedInput):
        DatedRule.of((first, first))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("signatures = 2", "signatures = 0"),
        ('level = "B-T"', 'level = "B-X"'),
        ('["pdf", "pdf-a"]', '["word"]'),
        ("retention = 30", "retention = -1"),
        ('"tenders-5"', '"no-such-clause"'),
        ("from = 2026-03-21", 'from = "soon"'),
        ("[excluded.title-deed]", "[excluded.minutes]"),
        ("version =", "colour = 1\nversion ="),
        ('["صورتجلسه", "Minutes"]', '["صورتجلسه"]'),
    ],
)
def test_a_rule_that_cannot_be_meant(old: str, new: str) -> None:
    """Whatever contradicts itself or is unknown is refused when it is read, not when a document comes."""
    assert old in SHIPPED
    with pytest.raises(MalformedInput):
        DocumentsRule.parse(SHIPPED.replace(old, new).encode())
