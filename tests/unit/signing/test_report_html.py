"""The page for people: safe against names made to deceive, the same facts in both languages, no word missing."""

from __future__ import annotations

import ast
import base64
import dataclasses
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from lxml import html

from signing.ades.services import Level
from signing.validation.contents import Change, Finding, Kind, StampKind
from signing.validation.report import Indication, Outcome, SubIndication, ValidationReport
from signing.validation.report_html import POLICY, report_html
from signing.validation.report_words import Language, is_known, visible, words
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.reports import report, signature_report, stamp_report

SIGNING = Path(__file__).resolve().parents[3] / "signing"
BOTH: tuple[Language, Language] = ("fa", "en")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.exe'
TEXTS = ("detail", "party", "signer", "scope", "reason", "location", "name", "signature_algorithm", "level")


def page_of(found: ValidationReport, language: Language) -> Any:
    return html.document_fromstring(report_html(found, language).encode())


def hostile_report(authority: MemoryAuthority) -> ValidationReport:
    """Every text that comes from outside is made to break out of its place."""
    signature = signature_report(
        authority,
        sub=SubIndication.FORMAT_FAILURE,
        indication=Indication.TOTAL_FAILED,
        changes=(Change(HOSTILE, HOSTILE, False, HOSTILE, 1),),
        findings=(Finding(HOSTILE, HOSTILE),),
    )
    hostile: dict[str, Any] = dict.fromkeys(TEXTS, HOSTILE)
    stamp = dataclasses.replace(stamp_report(authority), name=HOSTILE, serial=HOSTILE)
    signature = dataclasses.replace(
        signature,
        timestamps=(stamp,),
        path=tuple(dataclasses.replace(each, subject=HOSTILE, serial=HOSTILE) for each in signature.path),
        revocation=(dataclasses.replace(signature.revocation[0], source=HOSTILE, status=HOSTILE),),
        checks=tuple(dataclasses.replace(each, name=HOSTILE, detail=HOSTILE) for each in signature.checks),
        **hostile,
    )
    made = report(authority, signature, indication=Indication.TOTAL_FAILED, name=HOSTILE)
    policy = dataclasses.replace(made.policy, algorithms=HOSTILE, trust=HOSTILE)
    return dataclasses.replace(made, policy=policy, findings=(Finding(HOSTILE, HOSTILE),))


@pytest.mark.parametrize("language", BOTH)
def test_hostile_texts(language: Language) -> None:
    """Names made to break out stay text: no element, no handler, no address, and no turned direction comes of them."""
    text = report_html(hostile_report(make_authority()), language)
    page = html.document_fromstring(text.encode())
    tags = {each.tag for each in page.iter()}
    assert tags.isdisjoint({"script", "img", "a", "iframe", "object", "link", "form", "svg", "base"})
    names = {name for each in page.iter() for name in each.attrib}
    assert names <= {
        "lang",
        "dir",
        "charset",
        "name",
        "content",
        "http-equiv",
        "class",
        "scope",
        "datetime",
        "aria-hidden",
    }
    assert "\u202e" not in text
    assert page.text_content().count("<script>alert(1)</script>") > 20


@pytest.mark.parametrize("language", BOTH)
def test_nothing_from_outside(language: Language) -> None:
    """The page needs no other resource, and its own policy allows exactly its one style."""
    text = report_html(report(make_authority()), language)
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = page_of(report(make_authority()), language).xpath("//meta[@http-equiv]/@content")
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in policy
    assert POLICY.startswith(policy)
    assert "url(" not in style
    assert "@import" not in style
    assert "style=" not in text


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("indication", Indication)
def test_verdict(language: Language, indication: Indication) -> None:
    """The verdict stands first, as a word and a sign beside the colour, and differs for each of the three."""
    authority = make_authority()
    sub = None if indication is Indication.TOTAL_PASSED else SubIndication.NO_POE
    signature = signature_report(authority, indication=indication, sub=sub)
    page = page_of(report(authority, signature, indication=indication), language)
    first = page.xpath("//main/section")[0]
    word = words()["verdict"][indication.value][language]
    assert first.xpath("./p[@class='word']/span/text()")[1] == word
    assert first.xpath(".//*[@class='sign']/text()") == page.xpath("//h2/../span//*[@class='sign']/text()")
    told = page.text_content()
    why = words()["sub_indication"]["NO_POE"][language]
    assert (why in told) is (sub is not None)
    assert (f"{indication.value} / NO_POE" in told) is (sub is not None)


def test_facts() -> None:
    """Digest, policy, checks and changes stand on both pages; Persian has its digits and its calendar."""
    authority = make_authority()
    changes = (
        Change("signature-added", "field 2", True, "page 3", 3),
        Change("page-added", "page 4", False, None, 4),
    )
    made = report(authority, signature_report(authority, changes=changes))
    persian, english = (page_of(made, language).text_content() for language in BOTH)
    for text in (persian, english):
        assert made.sha256 in text
        assert made.policy.algorithms_sha256 in text
        assert "EN 319 102-1 §5.2.6" in text
    assert "سه‌شنبه ۳ آذر ۱۴۰۵، ساعت ۱۱:۳۰:۰۰" in persian
    assert "۱٬۲۰۴ بایت" in persian
    assert "صفحه‌ای افزوده شده است (غیرمجاز) — ویرایش ۴" in persian
    assert "24 November 2026, 08:00:00 UTC" in english
    assert "another signature was added (allowed) — page 3 — revision 3" in english


def test_a_time_is_proven_only_by_a_valid_stamp() -> None:
    """The time of a stamp that does not hold is nowhere; without a valid one, only the verification proves a time."""
    authority = make_authority()
    signature = signature_report(authority)
    later = authority.now.replace(year=2031)
    broken = dataclasses.replace(signature.timestamps[0], indication=Indication.INDETERMINATE, time=later)
    text = report_html(report(authority, dataclasses.replace(signature, timestamps=(broken,))), "en")
    assert "2031" not in text
    assert words()["text"]["proven-by-report"]["en"] in text
    assert words()["text"]["proven-by-stamp"]["en"] not in text
    assert words()["text"]["proven-by-stamp"]["en"] in report_html(report(authority, signature), "en")


def test_part_and_nothing() -> None:
    """A file that no signature covers whole says so at the top, and so does one without a signature."""
    authority = make_authority()
    part = dataclasses.replace(signature_report(authority), whole=False)
    first = page_of(report(authority, part), "en").xpath("//main/section")[0].text_content()
    assert words()["told"]["partial"]["en"] in first
    unsigned = page_of(report(authority, indication=Indication.INDETERMINATE), "fa")
    assert words()["told"]["unsigned"]["fa"] in unsigned.xpath("//main/section")[0].text_content()


def test_long_lists_are_cut() -> None:
    """A file made to fill the page fills no more than the bounds of each list, and says how much more there is."""
    authority = make_authority()
    changes = tuple(Change("object-changed", "x" * 10_000, False) for _ in range(1_000))
    text = report_html(report(authority, signature_report(authority, changes=changes)), "en")
    assert "… +800" in text
    assert len(text) < 300_000


def test_no_word_is_missing() -> None:
    """Whatever a report can say by a code has words in both languages, and every entry has both."""
    for group in words().values():
        for code, entry in group.items():
            assert set(entry) == set(BOTH), code
            assert all(text.strip() for text in entry.values()), code
    assert set(words()["sub_indication"]) == {each.value for each in SubIndication}
    assert set(words()["outcome"]) == {each.value for each in Outcome}
    assert set(words()["verdict"]) == {each.value for each in Indication}
    assert set(words()["level"]) == {each.value for each in Level}
    assert set(words()["kind"]) == set(get_args(Kind))
    assert set(words()["stamp"]) == set(get_args(StampKind))


def test_every_code_of_the_readers_has_words() -> None:
    """Each code of a change, a finding or a check that signing/ writes has words in both languages."""
    silent = {
        (group, code)
        for path in sorted(SIGNING.rglob("*.py"))
        for group, code in written_codes(ast.parse(path.read_text("utf-8")))
        if not is_known(group, code)
    }
    assert silent == set()


def written_codes(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The codes that stand as literals where a change, a finding or a check is made."""
    made = {"Change": ("change", 0), "Named": ("change", 0), "Finding": ("finding", 0), "Check": ("check", 1)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        group, place = made.get(function.id, ("", 0)) if isinstance(function, ast.Name) else ("", 0)
        if isinstance(function, ast.Attribute) and function.attr in {"add", "conclude", "warn"}:
            group, place = ("check", 1) if ast.unparse(function.value).endswith("checks") else ("", 0)
        if group and len(node.args) > place:
            code = node.args[place]
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield group, code.value


def test_overview_tells_every_reason() -> None:
    """docs/signing.md explains each sub-indication in the words of the page."""
    overview = (SIGNING.parent / "docs" / "signing.md").read_text("utf-8")
    for code, entry in words()["sub_indication"].items():
        assert f"| `{code}` | {entry['en']} |" in overview


def test_visible() -> None:
    """What draws nothing or turns text is shown by its code; Persian spelling stays as it is."""
    assert visible("می‌شود\n\u202e\u200b") == "می‌شود ⟨U+202E⟩⟨U+200B⟩"
    assert len(visible("x" * 10_000)) == 501
