"""Others judge what we sign, at every level, and we judge what they sign; docs/signature-referees.md says the same."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from signing.ades.services import Level
from signing.pdf.appearance import Appearance
from signing.pdf.fields import Permission, Place
from signing.pdf.signing import sign_pdf
from tests.contract.signature_referees_page import Judgements, Outcomes, ask_all, judge_all, page
from tests.support.dss import Dss
from tests.support.foreign_signatures import NAMES, Makers, OpenSsl
from tests.support.pdf_referees import qpdf_check
from tests.support.signature_referees import Panel, sitting_panel
from tests.support.signature_world import FORMATS, KINDS, World, make_world
from tools.java_referee import RefereeFailed

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
# OpenSSL 3.0 and NSS verify no Ed25519 in a CMS.
WITHOUT_ED25519 = {"OpenSSL", "pdfsig"}
KINDS_OF_DSS = {"PAdES": "pades", "CAdES detached": "cades", "ASiC-E": "asice"}
# DSS warns of a missing reference to the signer's certificate.
STRICTER = {
    "OpenSSL: CMS without a signing certificate": (("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE"),),
}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def answering(world: World) -> World:
    return world.with_answers()


@pytest.fixture(scope="module")
def panel(world: World, dss: Dss, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with sitting_panel(world, dss, tmp_path_factory.mktemp("referees")) as sitting:
        yield sitting


@pytest.fixture(scope="module")
def outcomes(panel: Panel) -> Outcomes:
    return ask_all(panel)


@pytest.fixture(scope="module")
def makers(world: World, dss: Dss, tmp_path_factory: pytest.TempPathFactory) -> Makers:
    return Makers(world, dss, OpenSsl(world, tmp_path_factory.mktemp("openssl")))


@pytest.fixture(scope="module")
def judgements(makers: Makers) -> Judgements:
    return judge_all(makers)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("format_", FORMATS)
def test_referees_accept(format_: str, level: Level, outcomes: Outcomes) -> None:
    """Every referee accepts the files that it reads with the keys that it knows, DSS at exactly that level."""
    for kind in KINDS:
        said = outcomes[format_, level, kind]
        unknown = WITHOUT_ED25519 if kind == "Ed25519" else set()
        refused = {name for name, accepted in said.items() if accepted is False}
        assert refused <= unknown, (kind, said)
        assert said["DSS"] is True


@pytest.mark.parametrize("format_", FORMATS)
def test_referees_refuse_a_changed_byte(format_: str, world: World, panel: Panel) -> None:
    """The same referees refuse the same file when one byte of what is signed is another: they did look."""
    made = world.made(format_, Level.B_LTA)
    if made.content is not None:
        changed = replace(made, content=_changed(made.content))
    elif format_ == "ASiC-E":
        changed = replace(made, signed=_with_changed_member(made.signed))
    else:
        changed = replace(made, signed=_changed(made.signed))
    said = panel.ask(changed)
    assert not any(said[name] for name in ("DSS", "Bouncy Castle", "OpenSSL", "pdfsig")), said


@pytest.mark.parametrize("name", NAMES)
def test_signatures_of_others_are_judged_as_dss_does(name: str, judgements: Judgements) -> None:
    """Indication and sub-indication are those of DSS for the same trust, lists and time, or stricter where said."""
    found = judgements[name]
    assert found.here
    assert found.here == STRICTER.get(name, found.dss)
    if not name.startswith("OpenSSL: CMS"):
        assert {words for words, _ in found.here} <= {"TOTAL-PASSED"}
        assert [f"BASELINE-{each.removeprefix('B-')}" for each in found.levels_here] == [
            each.partition("-")[2] for each in found.levels
        ]


@pytest.mark.parametrize("format_", ["PAdES", "CAdES detached", "ASiC-E"])
def test_each_raises_what_the_other_signed(format_: str, world: World, dss: Dss, makers: Makers) -> None:
    """DSS raises ours from B-T to B-LTA and we its own; both judge both as passed at that level."""
    ours, theirs = world.made(format_, Level.B_T), makers.make(f"DSS: {format_} B-T")
    root, kind = [world.authority.root], KINDS_OF_DSS[format_]
    stamps = makers.world.services.stamps
    assert stamps is not None
    by_dss = dss.extend(
        ours.signed, kind, "B-LTA", stamps=stamps, content=ours.content, trust=root, crls=world.crls
    )
    by_us = world.extended(format_, theirs.signed)
    for raised in (by_dss, by_us):
        found = dss.validate(raised, content=ours.content, trust=root, at=world.judged_at).signature
        assert (found.words, found.level) == (
            ("TOTAL-PASSED", None),
            world.made(format_, Level.B_LTA).baseline,
        )
        report = world.judged(raised, ours.content, crls=())
        assert [(each.indication, each.level) for each in report.signatures] == [("TOTAL-PASSED", "B-LTA")]


@pytest.mark.parametrize("level", [Level.B_LT, Level.B_LTA])
@pytest.mark.parametrize("format_", FORMATS)
def test_dss_accepts_answers_as_evidence(format_: str, level: Level, answering: World, dss: Dss) -> None:
    """With OCSP answers inside instead of lists, and nothing else but the root, DSS passes it at that level."""
    made = answering.made(format_, level)
    root = [answering.authority.root]
    found = dss.validate(made.signed, content=made.content, trust=root, at=answering.judged_at).signature
    assert (found.words, found.level) == (("TOTAL-PASSED", None), made.baseline)
    assert answering.judged(made.signed, made.content, crls=()).passed


def test_two_signers_of_one_pdf(world: World, panel: Panel) -> None:
    """A certification that is seen, and a second signer at another level: every referee accepts both."""
    look = Appearance(Place(0, (72, 72, 272, 172)), qr="https://example.org/1")
    first = sign_pdf(
        world.document,
        world.signers["P-256"],
        Level.B_LT,
        world.services,
        at=world.at,
        appearance=look,
        certify=Permission.FILL_FORMS,
        reason="قرارداد",
        location="تهران",
    )
    both = sign_pdf(first, world.signers["RSA"], Level.B_LTA, world.services, at=world.at)
    root = [world.authority.root]
    verdict = panel.dss.validate(both, trust=root, at=world.judged_at)
    assert [each.words for each in verdict.signatures] == [("TOTAL-PASSED", None)] * 2
    assert [each.holds for each in panel.pdfbox.pdf(both, trust=root, at=world.judged_at)] == [True] * 3
    assert [each.holds for each in panel.pdfsig.verify(both)] == [True, True, False]
    assert not qpdf_check(both, panel.folder)
    assert world.judged(both, crls=()).passed


def test_a_referee_answers_in_time_or_not_at_all(world: World, dss: Dss) -> None:
    """A request that takes too long ends the process; the next one is answered by another; a refusal is said."""
    root = [world.authority.root]
    with pytest.raises(RefereeFailed, match="in time"):
        dss.validate(world.document, trust=root, seconds=0.0)
    assert dss.validate(world.document, trust=root).signatures == ()
    with pytest.raises(RefereeFailed, match="UnsupportedOperationException"):
        dss.validate(b"neither", trust=root)


def test_the_page_tells_what_they_say(outcomes: Outcomes, judgements: Judgements) -> None:
    """Making docs/signature-referees.md anew changes nothing."""
    assert (DOCS / "signature-referees.md").read_text("utf-8") == page(outcomes, judgements)


def _changed(content: bytes) -> bytes:
    """The amount to pay is another."""
    assert content.count(b"To pay: 1,000") == 1
    return content.replace(b"To pay: 1,000", b"To pay: 9,000")


def _with_changed_member(container: bytes) -> bytes:
    old, target = zipfile.ZipFile(io.BytesIO(container)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            new.writestr(member, _changed(content) if member.filename == "contract.pdf" else content)
    return target.getvalue()
