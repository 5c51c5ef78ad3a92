"""Signatures judged after EN 319 102-1: each case with the indication that it must have."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from io import BytesIO

import pytest

from signing.ades.cades import sign_file
from signing.ades.services import Level
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading_cades import read_cades
from signing.validation.trust import Trust
from tests.support.authority import after, make_authority
from tests.support.signing import services_of

CONTENT = b"the tender"


@pytest.mark.parametrize("level", list(Level))
def test_every_level_passes_and_is_told(level: Level) -> None:
    """A CAdES signature of each level passes and is reported as that level."""
    authority = make_authority()
    person = authority.person("IR-0012345678")
    after(authority, timedelta(hours=1))
    der = sign_file(BytesIO(CONTENT), person, level, services_of(authority), at=authority.now)
    found = read_cades(der, lambda name: hashlib.new(name, CONTENT).digest())

    report = judge(
        found,
        Trust.of([authority.root], crls=authority.crls()),
        AlgorithmPolicy.default(),
        at=authority.now,
        made_at=authority.now,
    )

    assert report.passed
    assert report.signatures[0].level == level.value
