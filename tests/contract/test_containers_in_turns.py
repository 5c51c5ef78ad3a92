"""We and EU DSS take over one another's containers, turn by turn, and both say the same of every one."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from signing.ades.asice import add_signature, extend_container, refresh_container, sign_container
from signing.ades.asice_inside import ContainerFile
from signing.ades.services import Level
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.trust import Trust
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.containers import members, zipped
from tests.support.dss import Dss
from tests.support.signing import MemoryStamps, services_of

FILES = [
    ContainerFile.of_bytes("نامه‌ی ۱.txt", "سلام".encode()),
    ContainerFile.of_bytes("plans/b +%&'.xml", b"<plan/>"),
]
Turn = Callable[[io.BytesIO, io.BytesIO], None]


class Turns:
    """What each of the two does with a container, by one authority."""

    def __init__(self, authority: MemoryAuthority, dss: Dss) -> None:
        self.authority = authority
        self._dss = dss
        self._services = services_of(authority)

    def ours(self, level: Level) -> bytes:
        target, signer = io.BytesIO(), self.authority.person("IR-0012345678", "زهرا مرادی")
        sign_container(FILES, target, signer, level, self._services, at=self.authority.now)
        return target.getvalue()

    def extended(self, container: bytes, level: Level) -> bytes:
        return self._made(
            container,
            lambda source, target: extend_container(
                source, target, level, self._services, at=self.authority.now
            ),
        )

    def refreshed(self, container: bytes) -> bytes:
        return self._made(
            container,
            lambda source, target: refresh_container(source, target, self._services, at=self.authority.now),
        )

    def second(self, container: bytes, level: Level) -> bytes:
        other = self.authority.person("IR-0099999999", "Other", kind="RSA")
        return self._made(
            container,
            lambda source, target: add_signature(
                source, target, other, level, self._services, at=self.authority.now
            ),
        )

    def theirs(self, level: Level) -> bytes:
        signer = self.authority.person("IR-0055555555")
        return self._dss.sign(b"hello", signer, "asice", level, at=self.authority.now, **self._known())

    def archived_by_them(self, container: bytes) -> bytes:
        return self._dss.extend(container, "asice", "B-LTA", **self._known())

    def said_by_both(self, container: bytes) -> list[tuple[str, str, str | None]]:
        """Level, indication and sub-indication of each signature; fails unless both say the same."""
        root, at = [self.authority.root], self.authority.now + timedelta(minutes=5)
        crls = self.authority.crls()
        verdict = self._dss.validate(container, trust=root, crls=crls, at=at)
        theirs = [(each.level.rpartition("-")[2], *each.words) for each in verdict.signatures]
        report = judge(
            read_document(container), Trust.of(root, (), crls), AlgorithmPolicy.default(), at=at, made_at=at
        )
        ours = [
            ((each.level or "").rpartition("-")[2], each.indication.value, each.sub_indication)
            for each in report.signatures
        ]
        if report.passed:
            assert ours == theirs
        assert [each[1:] for each in ours] == [each[1:] for each in theirs]
        return theirs

    def _known(self) -> dict[str, Any]:
        stamps = MemoryStamps(self.authority)
        return {"stamps": stamps, "trust": [self.authority.root], "crls": self.authority.crls()}

    def _made(self, container: bytes, turn: Turn) -> bytes:
        target = io.BytesIO()
        turn(io.BytesIO(container), target)
        return target.getvalue()


@pytest.fixture(scope="module")
def turns(dss: Dss) -> Turns:
    # Certificates have to say where their lists are, or DSS puts none inside.
    return Turns(make_authority(base_url="http://authority.example"), dss)


def test_turn_by_turn(turns: Turns) -> None:
    """Made by one, archived by the other, refreshed, archived again, signed by a second: always B-LTA and passed."""
    passed = ("LTA", "TOTAL-PASSED", None)
    assert turns.said_by_both(turns.extended(turns.theirs(Level.B_B), Level.B_LTA)) == [passed]
    for container in (turns.archived_by_them(turns.ours(Level.B_T)), turns.theirs(Level.B_LTA)):
        again = turns.archived_by_them(turns.refreshed(container))
        assert turns.said_by_both(again) == [passed]
        assert turns.said_by_both(turns.second(again, Level.B_LTA)) == [passed] * 2
    assert turns.said_by_both(turns.second(again, Level.B_B)) == [passed, ("B", "TOTAL-PASSED", None)]


def test_what_was_changed(turns: Turns) -> None:
    """Of a file changed, missing or added, of an archive or manifest taken out, both say the same."""
    content, plain = members(turns.ours(Level.B_LTA)), members(turns.ours(Level.B_LT))
    name, manifest = FILES[1].name, "META-INF/ASiCManifest001.xml"
    archive = "META-INF/ASiCArchiveManifest.xml"
    cases = {
        "changed": ({**content, name: b"<Plan/>"}, ("TOTAL-FAILED", "HASH_FAILURE")),
        "missing": (without(content, name), ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")),
        "added": ({**content, "new.txt": b""}, ("TOTAL-PASSED", None)),
        "no archive": (without(content, archive), ("TOTAL-PASSED", None)),
        "manifest changed": (
            {**content, manifest: content[manifest] + b" "},
            ("TOTAL-FAILED", "HASH_FAILURE"),
        ),
        "no manifest": (without(plain, manifest), ("TOTAL-FAILED", "FORMAT_FAILURE")),
    }
    for case, (changed, expected) in cases.items():
        (said,) = turns.said_by_both(zipped(changed))
        assert said[1:] == expected, case


def without(content: dict[str, bytes], name: str) -> dict[str, bytes]:
    """All members but one."""
    return {each: data for each, data in content.items() if each != name}
