"""Registered documents and tenders share one log, and neither disturbs what the other one's auditor finds."""

from __future__ import annotations

import hashlib
import json
import tarfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from app.demo.cast import ORGANISATION, Cast
from app.demo.stage import staged
from audit.auditor import audit
from authenticity.papers import Entry
from client.documents import Secretary
from tests.e2e import scenes
from tests.e2e.conftest import on_sqlite
from tests.support.databases import Databases
from tests.support.forked_starts import Forked

UNIT = ORGANISATION["id"]


def registered(cast: Cast, officer: Secretary, content: bytes) -> str:
    """A deposit of the unit, by its identifier."""
    (identifier,) = officer.reserve(1)
    digest = hashlib.sha256(content).hexdigest()
    officer.deliver(content, digest, len(content))
    day = (cast.clock.now() - timedelta(days=1)).date().isoformat()
    kind = ("text/plain", "deposit", "سپرده")
    officer.register(UNIT, [Entry(identifier, digest, len(content), *kind, day, None, "withheld")])
    return identifier


@on_sqlite
def test_an_audit_passes_over_the_register(tmp_path: Path, databases: Databases) -> None:
    """With a tender under way and documents registered and revoked, the exported folder holds together."""
    with (
        staged(tmp_path / "site", databases.init_options(), launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        work_with_both(cast)
        cast.auditor().api.download("/audit/bundle.tar", tmp_path / "bundle.tar")
        anchors = json.dumps(stage.anchors).encode()
    with tarfile.open(tmp_path / "bundle.tar") as archive:
        archive.extractall(tmp_path / "audit", filter="data")
    assert audit(tmp_path / "audit", anchors, []).first_finding is None


def work_with_both(cast: Cast) -> None:
    """A document before a tender is published, another after it, and both taken out of force."""
    cast.registrar.register_party(UNIT, ORGANISATION["name"], kind="organisation", roles=[])
    person = cast.person("شیرین دبیری", "secretary")
    officer = Secretary(person.api, person.signer, cast.clock)
    first = registered(cast, officer, b"one")
    cast.key_holders()
    scenes.published(cast)
    second = registered(cast, officer, b"two")
    officer.change("supersede", first, second, "a newer one")
    officer.change("revoke", second, None, "by mistake")
    assert [each["state"] for each in officer.registrations(UNIT)] == ["superseded", "revoked"]
