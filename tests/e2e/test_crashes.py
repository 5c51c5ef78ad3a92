"""Server and custodian killed (SIGKILL) at every step that matters: what they left agrees, and the tender goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.demo.stage import MOHR, free_ports
from kernel import failpoints
from kernel.errors import MalformedInput
from tests.e2e.conftest import on_sqlite
from tests.support.crashes import Journey, Process, Site, sited
from tests.support.databases import Databases

FIRST, SECOND, THIRD = "راه‌سازان البرز", "عمران پایدار ری", "سازه گستر شمیران"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Site]:
    """One installation for all the tenders of this file."""
    with sited(tmp_path_factory.mktemp("crashes"), databases.init_options()) as opened:
        yield opened


def go_on(journey: Journey) -> None:
    """From the closing list to the end."""
    journey.close_submissions()
    journey.check_listed()
    for stage in "ABC":
        journey.open_stage(stage)
    journey.award()


def test_server_killed_around_submission_and_closing(site: Site, tmp_path: Path) -> None:
    """Around each commit of a bid, a blob, a withdrawal and the closing list: repeated, nothing is lost or doubled."""
    journey = Journey(site, (FIRST, SECOND, THIRD, "آسفالت توس"))
    journey.plan = {
        "bid": [
            ("before.submission-received", "after.submission-received"),
            ("blob.before-rename", "blob.renamed"),
            ("blob.marked",),
        ],
        "withdraw": [("before.submission-withdrawn", "after.submission-withdrawn")],
        "close-submissions": [("before.submission-closed",)],
    }
    journey.publish()
    for bidder in journey.bidders:
        journey.bid(bidder)
    journey.withdraw(FIRST)
    del journey.sealed[FIRST]
    go_on(journey)

    report = site.audit(tmp_path / "audit")
    assert report.first_finding is None


def test_server_killed_around_openings(site: Site, tmp_path: Path) -> None:
    """Around batches, records, minutes and decisions, and between the custodian's answer and its record; a batch that
    comes in between changes nothing."""
    journey = Journey(site, (FIRST, SECOND))
    journey.plan = {
        "close-submissions": [("after.submission-closed",)],
        "batch": [("before.share-batch-received", "after.share-batch-received")],
        "release": [("opening.released",), ("before.opening-recorded",), ("after.opening-recorded",)],
        "sign-minutes": [("before.minutes-signed",), (), ("after.minutes-signed",)],
        "decide": [(), (), ("before.decision-made", "after.decision-made")],
        "end": [("ending.destroyed", "before.keys-destroyed", "after.keys-destroyed")],
    }
    journey.publish()
    for bidder in journey.bidders:
        journey.bid(bidder)
    journey.close_submissions()
    journey.open_stage("A", late=3)
    journey.open_stage("B")
    journey.open_stage("C")
    journey.award()

    report = site.audit(tmp_path / "audit")
    assert report.first_finding is None


@on_sqlite
def test_custodian_killed_at_every_step(site: Site, tmp_path: Path) -> None:
    """Before and after its answer is stored, journalled, cosigned and given, and while it destroys its keys: one
    entry for each act, and the same answer."""
    journey = Journey(site, (FIRST, SECOND))
    journey.plan = {
        "key-set": [("journal.before.keys-created", "journal.line.keys-created")],
        "countersign": [(), (), (), (), ("journal.after.countersigned",)],
        "release": [
            ("custodian.before-storing", "journal.before.released", "journal.line.released"),
            ("journal.after.released", "custodian.before-answering"),
            ("journal.cosigned",),
        ],
        "end": [
            (
                "custodian.before-destroying",
                "custodian.key-deleted.A",
                "custodian.key-deleted.C",
                "journal.before.keys-destroyed",
                "journal.line.keys-destroyed",
            )
        ],
    }
    journey.publish()
    for bidder in journey.bidders:
        journey.bid(bidder)
    go_on(journey)

    report = site.audit(tmp_path / "audit")
    assert report.first_finding is None
    assert not list((site.stage.folder / "custodian" / "keys").glob(f"tender-{journey.tender}-*"))


def test_server_killed_while_it_writes_the_log(site: Site) -> None:
    """Around the commit of indexes, between the witness's cosignature and its record, and between a consumer's
    work and its mark: one tree, and every event handed on."""
    journey = Journey(site, (FIRST, SECOND))
    journey.plan = {
        "draft": [("log.before-commit",)],
        "submit-for-approval": [("log.committed",)],
        "approve": [("log.cosigned",)],
        "publish": [("log.cosigned-kept",)],
        "bid": [("relay.delivered",)],
    }
    journey.publish()
    for bidder in journey.bidders:
        journey.bid(bidder)
    go_on(journey)


def test_killed_at_random(site: Site, tmp_path: Path) -> None:
    """Server and custodian killed at six random moments of one tender: whoever repeats gets to the award."""
    rng = random.Random(1383)
    victims: list[Process] = ["server", "server", "server", "custodian", "custodian", "server"]
    moments = dict(zip(rng.sample(range(6, 44), len(victims)), victims, strict=True))
    before = site.deaths.copy()
    steps = 0
    timer = threading.Timer(0.0, lambda: None)

    def before_step() -> None:
        nonlocal steps, timer
        if timer.is_alive():
            timer.join()
        if steps in moments:
            timer = threading.Timer(rng.uniform(0.0, 0.4), site.kill, (moments[steps],))
            timer.start()
        steps += 1

    journey = Journey(site, (FIRST, SECOND, THIRD), before_step=before_step)
    journey.publish()
    for bidder in journey.bidders:
        journey.bid(bidder)
    go_on(journey)
    if timer.is_alive():
        timer.join()

    killed = site.deaths - before
    # A server whose custodian has died too often is killed once more, to have a quicker one.
    assert killed["server"] >= 4
    assert killed["custodian"] == 2
    site.revive()
    report = site.audit(tmp_path / "audit")
    assert report.first_finding is None


def test_a_second_custodian_leaves_the_folder_alone(site: Site) -> None:
    """One that is started while another is still at work waits, and removes nothing of what the other has under way."""
    site.revive()
    folder = site.stage.folder / "custodian"
    under_way = folder / "answers" / f"{'0' * 64}.json"
    under_way.parent.mkdir(exist_ok=True)
    under_way.write_bytes(b"{}")
    (port,) = free_ports(1)
    arguments = ["custodian", "serve", "--folder", str(folder), "--port", str(port)]
    second = subprocess.Popen([*MOHR, *arguments, "--clock-file", str(site.stage.clock.path)])
    try:
        until = time.monotonic() + 30.0
        while not any(each.endswith("serve.lock") for each in _open_files(second.pid)):
            assert second.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(1.0)
        assert second.poll() is None
        assert under_way.exists()
    finally:
        second.kill()
        second.wait()
        under_way.unlink()


def test_failpoints_are_for_demonstrations_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the process refuses to serve; in a demo it dies at the named point, the n-th time, and once."""
    file = tmp_path / "failpoint"
    monkeypatch.setenv(failpoints.VARIABLE, str(file))
    with pytest.raises(MalformedInput):
        failpoints.arm(demo=False)
    file.write_text("here 2", "ascii")
    child = os.fork()
    if child == 0:
        failpoints.arm(demo=True)
        for point in ("elsewhere", "here", "elsewhere", "here"):
            failpoints.reach(point)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not file.exists()
    failpoints.reach("here")


def _open_files(pid: int) -> list[str]:
    """What a process has open; what it closes meanwhile is left out."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(os.readlink(descriptor))
    return found
