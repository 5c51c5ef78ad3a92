"""PostgreSQL that is absent, crashes, is restarted, stands still or is full: clear errors, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from app.demo.cast import Cast
from app.demo.stage import MOHR, staged
from client.errors import ApiRefusal
from kernel.errors import Unavailable
from tests.e2e import scenes
from tests.support.agreement import assert_agreement
from tests.support.crashes import Journey, sited
from tests.support.databases import snapshot_of
from tests.support.forked_starts import Forked
from tests.support.postgresql import Cluster

_Result = TypeVar("_Result")
_STATEMENT_SECONDS = 1
# Beyond what the server is given for a statement and the client for an answer.
_STILL_SECONDS = 8.0
_BOUND_SECONDS = 20.0


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A server of this test's own, to be ill-treated; Mohr gives up a statement after a second."""
    monkeypatch.setenv("MOHR_DATABASE__STATEMENT_TIMEOUT_SECONDS", str(_STATEMENT_SECONDS))
    made = Cluster.create()
    yield made
    made.remove()


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes that keep their connections and do nothing."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def stand_still(cluster: Cluster) -> None:
    with stopped(cluster.pids()):
        time.sleep(_STILL_SECONDS)


def crash(cluster: Cluster) -> None:
    cluster.stop(signal.SIGQUIT)
    time.sleep(1.0)
    cluster.start()


def restart(cluster: Cluster) -> None:
    cluster.stop(signal.SIGINT)
    cluster.start()


def test_a_tender_goes_on_through_every_failure(cluster: Cluster, tmp_path: Path) -> None:
    """PostgreSQL crashes, is restarted and stands still at moments of one tender; who repeats gets to the award,
    and state, outbox, log, journal and receipts tell one story."""
    rng = random.Random(1404)
    faults: list[Callable[[Cluster], None]] = [crash, restart, stand_still, crash, restart, crash]
    moments = dict(zip(sorted(rng.sample(range(6, 44), len(faults))), faults, strict=True))
    done: Counter[str] = Counter()
    steps = 0
    under_way = threading.Thread()

    def ill_treat(fault: Callable[[Cluster], None], pause: float) -> None:
        time.sleep(pause)
        fault(cluster)
        done[fault.__name__] += 1

    def before_step() -> None:
        nonlocal steps, under_way
        if under_way.is_alive():
            under_way.join()
        if steps in moments:
            under_way = threading.Thread(target=ill_treat, args=(moments[steps], rng.uniform(0.0, 0.4)))
            under_way.start()
        steps += 1

    with sited(tmp_path / "site", ["--database-url", cluster.new_database()]) as site:
        journey = Journey(
            site, ("راه‌سازان البرز", "عمران پایدار ری", "سازه گستر شمیران"), before_step=before_step
        )
        journey.publish()
        for bidder in journey.bidders:
            journey.bid(bidder)
        journey.close_submissions()
        journey.check_listed()
        for stage in "ABC":
            journey.open_stage(stage)
        if under_way.is_alive():
            under_way.join()
        journey.award()

        assert done == Counter(crash=3, restart=2, stand_still=1)
        assert site.audit(tmp_path / "audit").first_finding is None


def test_a_database_that_stands_still_is_told_in_bounded_time(cluster: Cluster, tmp_path: Path) -> None:
    """A submission meets a database that does not move: 503 with a stable code within the bound, no receipt; the
    same submission afterwards is received once."""
    with (
        staged(tmp_path, ["--database-url", cluster.new_database()], launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        cast.key_holders()
        tender = scenes.published(cast)
        bid = scenes.prepared(cast, tender, "راه‌سازان البرز")
        bidder = cast.bidder("راه‌سازان البرز")

        with stopped(cluster.pids()):
            asked = time.monotonic()
            with pytest.raises(ApiRefusal) as refused:
                bidder.submit(bid)
            waited = time.monotonic() - asked
        assert (refused.value.code, refused.value.status) == ("database-unavailable", 503)
        assert refused.value.problem["detail"]
        assert waited < _BOUND_SECONDS

        submitted = _patiently(lambda: bidder.submit(bid))
        assert submitted.receipt.proof is not None
        with snapshot_of(stage.folder) as database:
            assert database.rows("SELECT count(*) FROM submissions") == [(1,)]
        assert_agreement(stage)


def test_an_absent_database_is_told_at_start_and_by_health(cluster: Cluster, tmp_path: Path) -> None:
    """Without its database the server does not start, and one that runs says so to those who watch it."""
    with staged(tmp_path, ["--database-url", cluster.new_database()], launch=Forked) as stage:
        cluster.stop()
        answer = httpx.get(f"{stage.url}/health", trust_env=False, timeout=_BOUND_SECONDS)
        assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        folder = stage.folder
        stage.process.terminate()
        stage.process.wait(30)
        again = subprocess.run(
            [*MOHR, "serve", "--folder", str(folder)], capture_output=True, text=True, check=False, timeout=60
        )
        assert again.returncode == 2
        assert again.stderr.startswith("Error: database-unavailable: ")
        assert "Traceback" not in again.stderr
        cluster.start()


def test_a_full_disk_is_told_and_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """PostgreSQL runs out of room: 507 for what does not fit, everything answered before is there and nothing else,
    and with room again work goes on."""
    with small_filesystem(cluster.folder / "small", megabytes=48) as small:
        url = _on_tablespace(cluster, small / "space")
        with (
            staged(tmp_path / "stage", ["--database-url", url], launch=Forked) as stage,
            closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
        ):
            cast.key_holders()
            drafted = [scenes.drafted(cast)]
            ballast = _fill(small)
            refused = _draft_until_refused(cast, drafted)
            assert (refused.code, refused.status) == ("storage-full", 507)
            with snapshot_of(stage.folder) as database:
                assert {identifier for (identifier,) in database.rows("SELECT id FROM tenders")} == set(
                    drafted
                )

            ballast.unlink()
            drafted.append(_patiently(lambda: scenes.drafted(cast)))
            with snapshot_of(stage.folder) as database:
                assert len(database.rows("SELECT id FROM tenders")) == len(drafted)
            assert_agreement(stage)


@contextmanager
def small_filesystem(path: Path, *, megabytes: int) -> Iterator[Path]:
    """A real file system of a few megabytes, in memory."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _on_tablespace(cluster: Cluster, folder: Path) -> str:
    """A database whose tables are in ``folder``; the write-ahead log stays where it was."""
    folder.mkdir()
    cluster.owns(folder)
    cluster.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
    url = cluster.new_database()
    cluster.execute(f'ALTER DATABASE "{url.partition("@/")[2].partition("?")[0]}" SET TABLESPACE small')
    return url


def _fill(folder: Path) -> Path:
    """Take the room that is left, by writing: the server may take some of what was free a moment ago."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(1 << 16)):
            pass
    return ballast


def _draft_until_refused(cast: Cast, drafted: list[str]) -> ApiRefusal:
    """Draft until there is no room for one more; the identifiers of those that were made are added."""
    for _ in range(500):
        try:
            drafted.append(scenes.drafted(cast, description="شرح " * 200))
        except ApiRefusal as refusal:
            return refusal
    raise AssertionError("the disk never became full")


def _patiently(step: Callable[[], _Result]) -> _Result:
    """Take a step once the server can; a refusal of another kind stays one."""
    until = time.monotonic() + 60.0
    while True:
        try:
            return step()
        except (Unavailable, ApiRefusal) as error:
            if (isinstance(error, ApiRefusal) and error.status < 500) or time.monotonic() > until:
                raise
            time.sleep(0.2)
