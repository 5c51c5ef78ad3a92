"""Whoever signs and whoever reads a PDF agree: what is made here leaves every earlier signature what it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signing.ades.services import Evidence, Level, Services
from signing.errors import LevelUnreachable, SigningForbidden
from signing.pdf.appearance import Appearance
from signing.pdf.fields import Lock, Permission, Place
from signing.pdf.long_term import extend_pdf, refresh_pdf
from signing.pdf.reading import read_pdf
from signing.pdf.signing import Wishes, sign_pdf
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.report import Indication
from signing.validation.trust import Anchor, Trust
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pdf_sources import classic_pdf, form_pdf, hybrid_pdf, office_pdf
from tests.support.signing import services_of

EMPTY = b"/FT /Sig /Rect [10 100 210 160]"
TEXT = b"/FT /Tx /Rect [10 10 100 30]"
LOOK = Appearance(Place(0, (300, 300, 500, 360)))


def _form() -> bytes:
    lock = b" /Lock << /Type /SigFieldLock /Action /Include /Fields [(text) (second)] >>"
    return form_pdf({"text": TEXT, "first": EMPTY + lock, "second": EMPTY, "third": EMPTY})


SOURCES = {
    "a table": classic_pdf,
    "2.0": lambda: classic_pdf("2.0"),
    "hybrid": hybrid_pdf,
    "hybrid of an office": office_pdf,
    "a form": _form,
}
WISHES: dict[str, Wishes] = {
    "unseen": {},
    "seen": {"appearance": LOOK},
    "first": {"field": "first"},
    "second": {"field": "second"},
    "third": {"field": "third"},
    "locks all": {"lock": Lock("All")},
    "locks some": {"lock": Lock("Include", ("second", "Signature2"))},
    "locks all but one": {"lock": Lock("Exclude", ("third",))},
    "no changes": {"certify": Permission.NO_CHANGES},
    "filling": {"certify": Permission.FILL_FORMS},
    "filling, seen": {"certify": Permission.FILL_FORMS, "appearance": LOOK},
    "annotating": {"certify": Permission.ANNOTATE},
}
STEPS = [*WISHES, "extended", "refreshed"]


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture(scope="module")
def services(authority: MemoryAuthority) -> Services:
    return services_of(authority)


def _step(pdf: bytes, step: str, number: int, authority: MemoryAuthority, services: Services) -> bytes:
    """The document after that step, or as it was where the step is refused."""
    try:
        if step == "extended":
            return extend_pdf(pdf, Level.B_LTA, services, at=authority.now)
        if step == "refreshed":
            return refresh_pdf(pdf, services, at=authority.now)
        signer = authority.person(f"IR-001234567{number}")
        return sign_pdf(pdf, signer, Level.B_B, at=authority.now, **WISHES[step])
    except (SigningForbidden, LevelUnreachable):
        return pdf


def _said(pdf: bytes, authority: MemoryAuthority) -> list[tuple[Indication, str]]:
    trust = Trust([Anchor(authority.root)], (), Evidence(crls=tuple(authority.crls())))
    report = judge(read_pdf(pdf), trust, AlgorithmPolicy.default(), at=authority.now, made_at=authority.now)
    return [(each.indication, f"{each.sub_indication} {each.detail}") for each in report.signatures]


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(source=st.sampled_from([*SOURCES]), steps=st.lists(st.sampled_from(STEPS), min_size=2, max_size=4))
def test_what_is_made_here_leaves_every_signature_valid(
    source: str, steps: list[str], authority: MemoryAuthority, services: Services
) -> None:
    """Whatever is signed, extended and refreshed in any order that is not refused, every signature is TOTAL-PASSED."""
    pdf = SOURCES[source]()
    for number, step in enumerate(steps):
        pdf = _step(pdf, step, number, authority, services)
    assert {each for each, _ in _said(pdf, authority)} <= {Indication.TOTAL_PASSED}, _said(pdf, authority)


@pytest.mark.parametrize("permission", Permission)
def test_a_certified_document_gets_no_new_field_that_is_seen(
    permission: Permission, authority: MemoryAuthority
) -> None:
    """A field of the form may be signed, and an unseen one made, after P 2 and 3; with P 1 neither."""
    signer = authority.person("IR-0012345678")
    certified = sign_pdf(_form(), signer, Level.B_B, at=authority.now, certify=permission)
    with pytest.raises(SigningForbidden):
        sign_pdf(certified, signer, Level.B_B, at=authority.now, **WISHES["seen"])
    for step in ("second", "unseen"):
        made = _step(certified, step, 1, authority, Services())
        assert (made != certified) == (permission != Permission.NO_CHANGES)
        assert {each for each, _ in _said(made, authority)} == {Indication.TOTAL_PASSED}


def test_a_lock_of_the_whole_document_in_an_earlier_field_is_obeyed(authority: MemoryAuthority) -> None:
    """PDF 2.0 lets the field of a signature forbid every change; who signs after it is refused, as who reads would."""
    signer = authority.person("IR-0012345678")
    lock = b" /Lock << /Type /SigFieldLock /Action /Include /Fields [(text)] /Q 1 >>"
    source = form_pdf({"text": TEXT, "first": EMPTY + lock, "second": EMPTY})
    signed = sign_pdf(source, signer, Level.B_B, at=authority.now, field="first")
    locked = signed.replace(b"/Q 1", b"/P 1")
    with pytest.raises(SigningForbidden, match="without changes"):
        sign_pdf(locked, signer, Level.B_B, at=authority.now, field="second")


def test_hybrid_references_count_before_the_first_signature_only(authority: MemoryAuthority) -> None:
    """Before it they are a warning; a later revision with some is named, not permitted, and not signed again."""
    signer = authority.person("IR-0012345678")
    for source in (hybrid_pdf(), office_pdf()):
        found = read_pdf(sign_pdf(source, signer, Level.B_B, at=authority.now)).signatures[0]
        assert [(each.code, each.fatal) for each in found.findings] == [("hybrid-references", False)]
        assert not found.changes
    later = _with_hybrid_update(sign_pdf(classic_pdf(), signer, Level.B_B, at=authority.now))
    (found,) = read_pdf(later).signatures
    assert ("hybrid-references-added", False) in {(each.code, each.allowed) for each in found.changes}
    with pytest.raises(SigningForbidden, match="hybrid"):
        sign_pdf(later, signer, Level.B_B, at=authority.now)


def _with_hybrid_update(pdf: bytes) -> bytes:
    """An empty table that names a stream of cross-references beside it, in which nothing is new but itself."""
    before = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    size, place = int(re.findall(rb"/Size (\d+)", pdf)[-1]), len(pdf)
    row = b"\x01" + place.to_bytes(4, "big") + b"\x00\x00"
    out = pdf + (
        b"%d 0 obj\n<< /Type /XRef /Size %d /W [1 4 2] /Index [%d 1] /Root 1 0 R /Length 7 >>\n"
        b"stream\n%b\nendstream\nendobj\n" % (size, size + 1, size, row)
    )
    trailer = b"<< /Size %d /Root 1 0 R /Prev %d /XRefStm %d >>" % (size + 1, before, place)
    return out + b"xref\n0 0\ntrailer\n%b\nstartxref\n%d\n%%%%EOF\n" % (trailer, len(out))
