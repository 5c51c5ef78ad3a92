"""A technical file of 200 MB: sealed, sent, opened, read and audited by processes that never hold it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from app.demo.cast import Cast
from app.demo.stage import Stage
from tests.e2e import scenes
from tests.support.memory import forget_peak, peak_bytes

FILE_BYTES = 200_000_000
MOST_BYTES = 150 << 20
LONGEST_BYTES = 256 << 20
NAME = "نقشه‌های فنی ۱.bin"


def in_its_own_process(*arguments: str) -> dict[str, Any]:
    """The answer of one step of ``tests.support.large_client``."""
    command = [sys.executable, "-m", "tests.support.large_client", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def random_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bytes that nothing can make shorter."""
    path = tmp_path_factory.mktemp("large") / NAME
    with Path("/dev/urandom").open("rb") as source, path.open("wb") as target:
        for start in range(0, FILE_BYTES, 1 << 20):
            target.write(source.read(min(1 << 20, FILE_BYTES - start)))
    return path


def test_nobody_holds_a_large_file(
    stage: Stage,
    cast: Cast,
    random_file: Path,
    tmp_path: Path,
) -> None:
    """Bidder, server and auditor each take less than 150 MB beyond what they hold at rest, in every step."""
    cast.key_holders()
    tender = scenes.published(cast, max_envelope_bytes=LONGEST_BYTES)
    bidder = cast.organisation("پیمانکار بزرگ", "bidder")
    scenes.submitted(cast, tender, "پیمانکار کوچک")
    server, taken = stage.process.pid, {}

    def measured(step: str, idle: int) -> None:
        taken[f"server, {step}"] = peak_bytes(server) - idle

    idle = forget_peak(server)
    made = in_its_own_process(
        "submit",
        *(str(bidder.folder.path), str(stage.clock.path), tender, scenes.LOT, str(random_file)),
        json.dumps(scenes.contents(cast)),
    )
    measured("receiving", idle)
    taken |= {f"client, {step}": made[step] for step in ("sealing", "submitting")}

    stage.clock.advance(scenes.DEADLINE + scenes.GRACE)
    scenes.await_closing(cast, tender)
    scenes.decided(cast, tender, "A")
    idle = forget_peak(server)
    scenes.recorded(cast, tender, "B")
    measured("opening", idle)

    head, digest = cast.sitting()[0], made["manifest_digest"]
    bids = head.check_record(tender, "B").bids
    assert [file["name"] for file in bids[digest]["content"]["files"]] == [NAME]
    idle = forget_peak(server)
    head.fetch_file(tender, "B", digest, NAME, tmp_path / "fetched")
    measured("showing", idle)
    with (tmp_path / "fetched").open("rb") as fetched, random_file.open("rb") as sent:
        assert hashlib.file_digest(fetched, "sha256").digest() == hashlib.file_digest(sent, "sha256").digest()

    idle = forget_peak(server)
    cast.auditor().api.download("/audit/bundle.tar", tmp_path / "bundle.tar")
    measured("exporting", idle)
    with tarfile.open(tmp_path / "bundle.tar") as archive:
        archive.extractall(tmp_path / "audit", filter="data")
    (tmp_path / "anchors.json").write_text(json.dumps(stage.anchors), "utf-8")
    report = in_its_own_process("audit", str(tmp_path / "audit"), str(tmp_path / "anchors.json"))
    assert report["findings"] == []
    taken["auditor"] = report["auditing"]

    for step, most in taken.items():
        print(f"{step}: {most / 1e6:.1f} MB")
    assert {step: most for step, most in taken.items() if most >= MOST_BYTES} == {}
