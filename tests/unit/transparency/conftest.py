"""The log of one installation, fresh for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.transparency.logs import LogHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[LogHouse]:
    opened = LogHouse(tmp_path)
    yield opened
    opened.close()
