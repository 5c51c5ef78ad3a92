"""Referees that share no code with ours judge what we sign, at every level; docs/signature-referees.md says the same."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from signing.ades.services import Level
from tests.contract.signature_referees_page import Outcomes, page
from tests.support.dss import Dss
from tests.support.signature_referees import Panel, sitting_panel
from tests.support.signature_world import FORMATS, KINDS, World, make_world

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
# OpenSSL 3.0 and NSS verify no Ed25519 in a CMS.
WITHOUT_ED25519 = {"OpenSSL", "pdfsig"}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def panel(world: World, dss: Dss, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with sitting_panel(world, dss, tmp_path_factory.mktemp("referees")) as sitting:
        yield sitting


@pytest.fixture(scope="module")
def outcomes(world: World, panel: Panel) -> Outcomes:
    return {(each.format, each.level, each.kind): panel.ask(each) for each in world.all_made()}


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("format_", FORMATS)
def test_referees_accept(format_: str, level: Level, outcomes: Outcomes) -> None:
    """Every referee that reads such files accepts each kind of key that it knows, DSS at exactly the level asked for."""
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


def test_the_page_tells_what_they_say(outcomes: Outcomes) -> None:
    """Making docs/signature-referees.md anew changes nothing."""
    assert (DOCS / "signature-referees.md").read_text("utf-8") == page(outcomes)


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
