"""One commission of five, of whom three open, for the tests that do not change it."""

import pytest

from tests.unit.sealing.builders import Commission, make_commission


@pytest.fixture(scope="session")
def commission() -> Commission:
    return make_commission(members=5, threshold=3)
