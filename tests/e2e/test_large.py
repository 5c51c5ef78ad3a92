"""A technical file of 200 MB: sealed, sent, opened, read and audited by processes that never hold it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from app.demo.cast import SEATS, Cast
from app.demo.stage import Stage
from client.bidder import Bidder, listed_files
from client.errors import ApiRefusal
from tests.e2e import scenes
from tests.e2e.conftest import on_sqlite
from tests.e2e.refusals import Caller, refused
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


@on_sqlite
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
    assert tender in report["audited"]
    # Other tests leave tenders of theirs in this installation, some of them forged.
    others = {folder.name for folder in (tmp_path / "audit" / "tenders").iterdir()} - {tender}
    assert [detail for about, detail in report["findings"] if about not in others] == []
    taken["auditor"] = report["auditing"]

    for step, most in taken.items():
        print(f"{step}: {most / 1e6:.1f} MB")
    assert {step: most for step, most in taken.items() if most >= MOST_BYTES} == {}


def test_the_measure_sees_what_is_held() -> None:
    """A process that does hold so much is found out."""
    idle = forget_peak()
    held = bytearray(MOST_BYTES)
    assert len(held) <= peak_bytes() - idle + (1 << 20)
    del held
    assert peak_bytes() - forget_peak() > MOST_BYTES // 2


@on_sqlite
def test_only_the_entitled_fetch_opened_files(stage: Stage, cast: Cast) -> None:
    """Members and auditors see and get the files once the record is there; nobody else, and no other file."""
    cast.key_holders()
    tender = scenes.published(cast)
    bidder = cast.organisation("پیوست‌دار", "bidder")
    files = {NAME: b"drawing", "a; filename=x.txt": b"note"}
    contents = scenes.contents(cast)
    contents["B"]["files"] = listed_files(files)
    bid = (
        Bidder(bidder)
        .submit(Bidder(bidder).prepare_bid(tender, scenes.LOT, contents, files={"B": files}))
        .bid
    )
    other = "پیمانکار کوچک"
    scenes.submitted(cast, tender, other)
    stage.clock.advance(scenes.DEADLINE + scenes.GRACE)
    scenes.await_closing(cast, tender)
    member, auditor = Caller.of(cast.person(SEATS[0][1], "member")), Caller.of(cast.auditor())
    path = f"/tenders/{tender}/openings/B/bids/{bid.manifest_digest}/files"
    refused(auditor.get(path), 404, "not-found")
    scenes.decided(cast, tender, "A")
    scenes.recorded(cast, tender, "B")

    listed = {"files": sorted(listed_files(files), key=lambda entry: str(entry["name"]))}
    for caller in (member, auditor):
        assert caller.get(path).json() == listed
        for name, content in files.items():
            answer = caller.get(f"{path}/{quote(name, safe='')}")
            assert (answer.status_code, answer.content) == (200, content)
            disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
            assert answer.headers["content-disposition"] == disposition
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["x-content-type-options"] == "nosniff"
    for caller in (Caller.of(bidder), Caller.of(cast.organisation(other, "bidder"))):
        refused(caller.get(f"{path}/{quote(NAME)}"), 403, "forbidden")
    for wrong in ("bid.json", "META-INF%2Fsignature.p7s", "..%2F..%2Fmohr.toml", "nothing"):
        assert auditor.get(f"{path}/{wrong}").status_code == 404
    refused(auditor.get(path.replace("/B/", "/C/")), 404, "not-found")
    refused(auditor.get(path.replace(bid.manifest_digest, "0" * 64)), 404, "not-found")


@on_sqlite
def test_a_limit_beyond_what_can_be_uploaded_is_refused_at_drafting(stage: Stage, cast: Cast) -> None:
    """A call cannot promise envelopes that the server would refuse; one of 256 MiB it can, by default."""
    assert scenes.drafted(cast, max_envelope_bytes=LONGEST_BYTES)
    for changes in (
        {"max_envelope_bytes": LONGEST_BYTES + 1},
        {"padding_floor_bytes": {"A": LONGEST_BYTES + 1, "B": 0, "C": 0}},
    ):
        with pytest.raises(ApiRefusal) as refusal:
            scenes.drafted(cast, **changes)
        assert (refusal.value.status, refusal.value.code) == (413, "limit-exceeded")
