"""An audit folder is of one instant, whatever is written while it is made."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from contextlib import closing
from pathlib import Path

from app.demo.cast import Cast
from app.demo.stage import staged
from audit.auditor import audit
from tests.e2e import scenes
from tests.support.databases import Databases
from tests.support.forked_starts import Forked

_EXPORTS = 6


def test_folders_exported_amid_work_hold_together(tmp_path: Path, databases: Databases) -> None:
    """Folders taken while calls are published one after the other: the audit finds nothing off in any of them."""
    with (
        staged(tmp_path / "root", databases.init_options(), launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        cast.key_holders()
        auditor = cast.auditor()
        scenes.published(cast)
        enough = threading.Event()
        published: list[str] = []

        def publish() -> None:
            while not enough.is_set():
                published.append(scenes.published(cast))

        publisher = threading.Thread(target=publish)
        publisher.start()
        try:
            for number in range(_EXPORTS):
                bundle = tmp_path / f"{number}.tar"
                auditor.api.download("/audit/bundle.tar", bundle)
        finally:
            enough.set()
            publisher.join()

        assert published
        for number in range(_EXPORTS):
            folder = tmp_path / f"audit-{number}"
            with tarfile.open(fileobj=io.BytesIO((tmp_path / f"{number}.tar").read_bytes())) as archive:
                archive.extractall(folder, filter="data")
            report = audit(folder, json.dumps(stage.anchors).encode(), [])
            assert report.first_finding is None
