"""The log of one installation, fresh for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import Databases
from tests.unit.transparency.logs import LogHouse


@pytest.fixture
def house(tmp_path: Path, databases: Databases) -> Iterator[LogHouse]:
    opened = LogHouse(tmp_path, databases.new())
    yield opened
    opened.close()
