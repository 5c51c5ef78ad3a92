"""Registers of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import Databases
from tests.support.register_office import PARKS, Officer, RegisterOffice, make_register


@pytest.fixture
def place(tmp_path: Path, databases: Databases) -> Iterator[RegisterOffice]:
    made = make_register(tmp_path, databases.new())
    yield made
    made.office.close()


@pytest.fixture
def officer(place: RegisterOffice) -> Officer:
    return place.officer("IR-41")


@pytest.fixture
def colleague(place: RegisterOffice) -> Officer:
    return place.officer("IR-42")


@pytest.fixture
def neighbour(place: RegisterOffice) -> Officer:
    """An officer of another unit."""
    return place.officer("IR-43", PARKS)
