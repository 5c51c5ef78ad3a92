"""Real processes for the journeys: one installation for each test process, and one finished play of it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.demo.cast import Cast
from app.demo.play import Running, play
from app.demo.scripts import own_scripts
from app.demo.stage import Stage, staged
from tests.support.databases import Databases
from tests.support.forked_starts import Forked
from tests.support.kept import Kept

# For what knows nothing of the server's database: once is enough.
on_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def quietly(label: str, items: Iterable[Any]) -> Iterable[Any]:
    """Progress for nobody."""
    return items


@dataclass(frozen=True)
class Played:
    """Our three tenders, played to their end, with the folder that an auditor took home."""

    stage: Stage
    cast: Cast
    running: list[Running]
    folder: Path
    anchors: Path


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, databases: Databases, kept: Kept) -> Stage:
    """Server, custodian and witness as processes of their own on loopback."""
    return kept.once(
        ("stage", databases.kind),
        lambda: staged(tmp_path_factory.mktemp("stage"), databases.init_options(), launch=Forked),
    )


@pytest.fixture(scope="session")
def cast(stage: Stage, databases: Databases, kept: Kept) -> Cast:
    """The registrar's clients, ready to enrol others."""
    return kept.once(
        ("cast", databases.kind),
        lambda: closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)),
    )


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, databases: Databases, kept: Kept) -> Played:
    """An installation of its own in which our three tenders were played; nothing changes it afterwards."""
    return kept.once(
        ("played", databases.kind),
        lambda: _played(tmp_path_factory.mktemp("played"), databases),
    )


@contextmanager
def _played(root: Path, databases: Databases) -> Iterator[Played]:
    with (
        staged(root, databases.init_options(), launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        running = play(own_scripts(), cast, stage.clock, quietly)
        folder, anchors = root / "audit", root / "audit.anchors.json"
        cast.auditor().api.download("/audit/bundle.tar", root / "bundle.tar")
        with tarfile.open(fileobj=io.BytesIO((root / "bundle.tar").read_bytes())) as archive:
            archive.extractall(folder, filter="data")
        anchors.write_text(json.dumps(stage.anchors), "utf-8")
        yield Played(stage, cast, running, folder, anchors)
