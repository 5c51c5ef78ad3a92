"""What programs of good name write after a signature breaks nothing, and what looks like it and shows more does.

Cases of the first kind were seen from EU DSS and PDFBox; beside each stands the attack that it comes closest to.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from signing.ades.services import Level
from signing.pdf.fields import Lock, Permission
from signing.pdf.opening import open_pdf
from signing.pdf.reading import read_pdf
from signing.pdf.signing import sign_pdf
from signing.validation.report import Indication
from tests.support.dss import Dss
from tests.support.pdf_files import append, body_of, make_pdf, packed, plain_objects, stream
from tests.support.pdf_sources import form_pdf
from tests.support.pdfbox import running_pdfbox
from tests.support.signature_world import World, make_world

TEXT = b"/FT /Tx /Rect [10 10 90 30] /V (1000) /DA (/Helv 12 Tf 0 g)"
LOOK = stream(
    b"BT /F1 12 Tf 2 10 Td (1000) Tj ET",
    b"/Type/XObject/Subtype/Form/BBox[0 0 200 30]/Resources<</Font<</F1 5 0 R>>>>",
)
HELVETICA = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
DINGBATS = b"<</Type/Font/Subtype/Type1/BaseFont/ZapfDingbats>>"
OTHER = HELVETICA.replace(b"/WinAnsiEncoding", b"<</Type/Encoding/Differences[49/nine]>>")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def sign(world: World, pdf: bytes, **wishes: object) -> bytes:
    return sign_pdf(pdf, world.signers["P-256"], Level.B_B, at=world.at, **wishes)  # type: ignore[arg-type]


def said(pdf: bytes) -> tuple[set[str], set[str]]:
    """Of what came after the first signature: what is forbidden, and what is not."""
    found = read_pdf(pdf).signatures[0]
    assert not [each for each in found.findings if each.fatal]
    changes = found.changes
    return {each.code for each in changes if not each.allowed}, {
        each.code for each in changes if each.allowed
    }


def multiple(value: bytes = b"1000", on: bytes = b"Off") -> dict[int, bytes]:
    """A text field of two widgets (6, 7), looks 9 and 10 under it; radio buttons (12, 13)."""
    objects = plain_objects(page=b"/Annots[6 0 R 7 0 R 12 0 R 13 0 R]", catalog=b"/AcroForm 8 0 R")
    widget = b"<</Type/Annot/Subtype/Widget/Parent %d 0 R/F 4/P 3 0 R/Rect[10 100 210 130]%b>>"
    states = b"/AP<</N<</%b 15 0 R/Off 16 0 R>>>>/AS/%b"
    return objects | {
        6: widget % (11, b"/AP<</N 9 0 R>>"),
        7: widget % (11, b"/AP<</N 10 0 R>>"),
        8: b"<</Fields[11 0 R 14 0 R]/DR<</Font<</F1 5 0 R>>>>/DA(/F1 0 Tf 0 g)>>",
        9: LOOK.replace(b"1000", value),
        10: LOOK.replace(b"1000", value),
        11: b"<</FT/Tx/T(sum)/V(%b)/Kids[6 0 R 7 0 R]>>" % value,
        12: widget % (14, states % (b"A", b"A" if on == b"A" else b"Off")),
        13: widget % (14, states % (b"B", b"B" if on == b"B" else b"Off")),
        14: b"<</FT/Btn/Ff 49152/T(kind)/V/%b/Kids[12 0 R 13 0 R]>>" % on,
        15: LOOK,
        16: LOOK,
    }


def parts(objects: dict[int, bytes], *numbers: int) -> dict[int, bytes]:
    return {each: objects[each] for each in numbers}


def test_a_visible_signature_by_dss_breaks_no_earlier_one(world: World, dss: Dss) -> None:
    """DSS says of the colours that they are sRGB, and gives the form fonts and defaults; both signatures pass here."""
    form = form_pdf({"sum": TEXT, "mine": b"/FT /Sig /Rect [100 100 300 160]"})
    signer = world.signers["RSA"]
    for field in (None, "mine"):
        signed = dss.sign(sign(world, form), signer, "pades", "B-B", at=world.at, seen="Seen", field=field)
        report = world.judged(signed)
        assert [each.indication for each in report.signatures] == [Indication.TOTAL_PASSED] * 2
        bad, good = said(signed)
        assert (bad, good - {"form-extended"}) == (set(), {"colours-named", "signature-added"})


def test_colours_that_are_not_srgb_are_a_change(world: World, dss: Dss) -> None:
    """The same with one octet of the profile changed, with another entry, or in the place of one that was there."""
    plain = make_pdf(plain_objects())
    by_dss = dss.sign(sign(world, plain), world.signers["RSA"], "pades", "B-B", at=world.at, seen="Seen")
    profile = profile_of(by_dss)
    intent = b"/OutputIntents[<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)%b>>]"

    def added(data: bytes, more: bytes = b"/DestOutputProfile 50 0 R", before: bytes = b"") -> set[str]:
        signed = sign(world, make_pdf(plain_objects(catalog=before)))
        catalog = re.sub(rb"/OutputIntents ?\[\s*\]", b"", body_of(signed, 1))
        objects = {1: catalog[:-2] + intent % more + b">>", 50: packed(data, b"/N 3")}
        return said(append(signed, objects))[0]

    assert added(profile) == set()
    assert added(profile[:200] + bytes([profile[200] ^ 1]) + profile[201:]) == {"catalog-changed"}
    assert added(profile, b"/DestOutputProfile 50 0 R/DestOutputProfileRef<<>>") == {"catalog-changed"}
    assert added(profile, before=b"/OutputIntents[]") == {"catalog-changed"}


def profile_of(pdf: bytes) -> bytes:
    return bytes(open_pdf(pdf).root["/OutputIntents"][0]["/DestOutputProfile"].data)


def test_a_field_filled_by_pdfbox_breaks_nothing(world: World, tmp_path: Path) -> None:
    """PDFBox gives a form the resources and defaults that it lacks before it fills a field."""
    signed = sign(world, form_pdf({"sum": TEXT, "note": TEXT.replace(b"/V (1000)", b"")}))
    with running_pdfbox(tmp_path) as pdfbox:
        filled = pdfbox.fill(signed, "note", "hello")

    assert said(filled) == (set(), {"form-extended", "form-field-filled"})


def test_every_widget_of_a_field_may_be_filled(world: World) -> None:
    """A field of several widgets, by looks that are new or written over, and a group of radio buttons."""
    signed, now = sign(world, make_pdf(multiple())), multiple(b"2000")
    other = {
        each: body.replace(b"9 0 R", b"60 0 R").replace(b"10 0 R", b"61 0 R")
        for each, body in parts(now, 6, 7).items()
    }

    for update in (
        parts(now, 11, 9, 10),
        parts(now, 11) | other | {60: now[9], 61: now[10]},
        parts(multiple(on=b"A"), 14, 12),
        parts(multiple(on=b"B"), 14, 13),
    ):
        assert said(append(signed, update)) == (set(), {"form-field-filled"})


def test_a_widget_that_shows_something_else_is_a_change(world: World) -> None:
    """One widget of two looks otherwise, is locked, has another border, or shares its look with the page."""
    now = multiple(b"2000")
    signed = sign(world, make_pdf(multiple()))
    assert said(append(signed, parts(now, 9)))[0] == {"form-appearance-changed"}
    assert said(append(signed, parts(now, 10)))[0] == {"form-appearance-changed"}
    bordered = {6: now[6][:-2] + b"/MK<</BG[1 1 1]>>>>"}
    assert "form-field-changed" in said(append(signed, parts(now, 11, 9, 10) | bordered))[0]

    for wishes in ({"lock": Lock("Include", ("sum",))}, {"certify": Permission.NO_CHANGES}):
        locked = sign(world, make_pdf(multiple()), **wishes)
        assert said(append(locked, parts(now, 11, 9, 10)))[0] == {"form-field-filled"}

    page = multiple()
    page[3] = page[3].replace(b"/Font<<", b"/XObject<</Over 9 0 R>>/Font<<")
    assert said(append(sign(world, make_pdf(page)), parts(now, 11, 9, 10)))[0]


@pytest.mark.parametrize(
    ("form", "font", "changed"),
    [
        (b"/NeedAppearances true", HELVETICA, False),
        (b"/NeedAppearances true", OTHER, True),
        (b"/NeedAppearances true", DINGBATS, True),
        (b"", OTHER, False),
    ],
)
def test_a_font_that_the_form_lacked_counts_where_values_are_drawn(
    world: World, form: bytes, font: bytes, changed: bool
) -> None:
    """A field names a font that is not there: who brings it decides what is shown, unless it is the usual one."""
    objects = multiple()
    objects[8] = objects[8].replace(b"/DA(/F1", b"/DA(/Own").replace(b">>/DA", b">>%b/DA" % form)
    signed = sign(world, make_pdf(objects))
    update = {8: re.sub(rb"(/F1 5 0 R)", rb"\1/Own 60 0 R", body_of(signed, 8)), 60: font}

    bad, good = said(append(signed, update))
    assert ("form-changed" in bad, "form-extended" in good) == (changed, not changed)


def test_defaults_of_the_form_count_for_fields_without_their_own(world: World) -> None:
    """A later signer changes /DA and /Q of the form; the fields have their own, from above, or none."""
    own = b"/DA(/F1 9 Tf 0 g)/Q 1/Kids"

    def changed(*places: int) -> tuple[set[str], set[str]]:
        objects = multiple()
        for each in places:
            objects[each] = objects[each].replace(b"/Kids", own)
        signed = sign(world, make_pdf(objects))
        form = body_of(signed, 8)
        return said(append(signed, {8: form.replace(b"/F1 0 Tf 0 g", b"/F1 40 Tf 1 g")[:-2] + b"/Q 2>>"}))

    assert changed(11) == (set(), {"form-extended"})
    assert changed()[0] == {"form-changed"}


def test_a_lock_without_an_action_locks_all(world: World) -> None:
    """The action is required (ISO 32000-2 table 236); where the signature itself lacks it, nothing holds any more."""
    form = form_pdf({"sum": TEXT, "mine": b"/FT /Sig /Rect [0 0 0 0] /Lokk << /Fields [(other)] >>"})
    signed = sign(world, form, field="mine").replace(b"/Lokk", b"/Lock")
    filled = append(signed, {7: body_of(signed, 7).replace(b"1000", b"9000")})
    assert said(filled)[0] == {"form-field-filled"}

    locked = sign(world, form, lock=Lock("Include", ("other",)))
    found = read_pdf(locked.replace(b"/Action", b"/Axtion")).signatures[0]
    assert "field-locks-unreadable" in {each.code for each in found.findings if each.fatal}
