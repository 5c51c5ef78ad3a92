"""An installation whose processes are killed and started again, and tenders that go on through it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
import pytest

from app.demo.cast import Cast
from app.demo.play import LOT, _draft, contents_of
from app.demo.scripts import Script, ScriptedBid, own_scripts, party_of_name
from app.demo.stage import Stage, staged, start_server, stop
from audit.auditor import audit
from audit.report import Report
from client.errors import ApiRefusal
from client.sealed_bids import SealedBid
from kernel.canonical import parse_canonical
from kernel.clock import parse_utc
from kernel.errors import Unavailable
from kernel.failpoints import VARIABLE
from tests.support.agreement import assert_agreement
from tests.support.forked_starts import Forked

Process = Literal["server", "custodian", "witness"]
T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
# A child that dies is started again after 0.5, 1, 2, 4 ... seconds; a fresh server is quicker than the fourth.
_CUSTODIAN_DEATHS_PER_SERVER = 3
# What a server says to a step that it took, and whose answer was lost.
_DONE_BEFORE = frozenset({"conflict", "wrong-state", "batch-repeated"})
PRICE = 23_000_000_000


@dataclass
class Site:
    """``failpoints`` is the file that its processes look into; ``deaths`` counts by point or process."""

    stage: Stage
    cast: Cast
    failpoints: Path
    server: subprocess.Popen[bytes]
    custodian_url: str
    deaths: Counter[str] = field(default_factory=Counter)
    _queue: list[str] = field(default_factory=list)
    _armed: str = ""
    _custodian_deaths: int = 0

    def dying(self, points: tuple[str, ...], step: Callable[[], T]) -> T | None:
        """Take a step while a process dies at each of the points in turn; the step is repeated until it holds."""
        self._queue = list(points)
        self._arm_next()
        try:
            result = self.insist(step)
            # What dies in the background may do so after the answer.
            while self._armed:
                _until(lambda: not self.failpoints.exists(), f"nothing died at {self._armed}")
                self.revive()
        finally:
            self.failpoints.unlink(missing_ok=True)
            self._armed, self._queue = "", []
        return result

    def insist(self, step: Callable[[], T]) -> T | None:
        """Repeat a step until it is taken; None when its answer got lost and it turns out to be done."""
        until = time.monotonic() + _PATIENCE_SECONDS
        broken = False
        while True:
            try:
                return step()
            except ApiRefusal as refusal:
                if broken and refusal.code in _DONE_BEFORE:
                    return None
                if refusal.status < 500 or time.monotonic() > until:
                    raise
            except (Unavailable, httpx.HTTPError):
                if time.monotonic() > until:
                    raise
            broken = True
            self.revive()

    def revive(self) -> None:
        """Have every process run again, and compare what the dead ones left before anything goes on."""
        fell = self._fell()
        if self._custodian_deaths >= _CUSTODIAN_DEATHS_PER_SERVER:
            self.kill("server")
        until = time.monotonic() + _PATIENCE_SECONDS
        restarted = False
        while True:
            # Whatever falls while we look is dead before its health is asked for, and noted before it is replaced.
            fell = self._fell() or fell
            if self._healthy():
                break
            assert time.monotonic() < until, "the installation does not come back; see serve.log"
            if self.server.poll() is not None:
                assert self.server.returncode == -signal.SIGKILL
                fell = self._fell() or fell
                self.server = start_watched(self.stage.folder, self.failpoints)
                self._custodian_deaths = 0
            restarted = True
            time.sleep(0.05)
        if fell or restarted:
            assert_agreement(self.stage)
            self._arm_next()

    def kill(self, process: Process) -> None:
        """SIGKILL, wherever it is."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            # Another thread may be starting the next server: pid and state are those of one and the same.
            server = self.server
            pid = {"server": server.pid, **self._children()}.get(process)
            if pid is not None and (process != "server" or server.poll() is None):
                break
            assert time.monotonic() < until, f"there is no {process} to kill"
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        self.deaths[process] += 1
        if process == "server":
            server.wait()
        elif process == "custodian":
            self._custodian_deaths += 1

    def audit(self, folder: Path) -> Report:
        """The audit of what the installation exports, with every receipt that a bidder holds."""
        folder.mkdir()
        self.cast.auditor().api.download("/audit/bundle.tar", folder / "bundle.tar")
        bundle = io.BytesIO((folder / "bundle.tar").read_bytes())
        with tarfile.open(fileobj=bundle) as archive:
            archive.extractall(folder / "audit", filter="data")
        receipts = [path.read_bytes() for path in self.stage.parties.glob("IRO-*/receipts/*.json")]
        return audit(folder / "audit", json.dumps(self.stage.anchors).encode(), receipts)

    def _arm_next(self) -> None:
        if self._queue and not self._armed:
            self._armed = self._queue.pop(0)
            staged_file = self.failpoints.with_suffix(".staged")
            staged_file.write_text(f"{self._armed} 1", "ascii")
            staged_file.replace(self.failpoints)

    def _fell(self) -> bool:
        """Whether a process died at the armed point; noted once."""
        if not self._armed or self.failpoints.exists():
            return False
        self.deaths[self._armed] += 1
        if self._armed.startswith(("custodian.", "journal.")):
            self._custodian_deaths += 1
        else:
            self.server.wait(_PATIENCE_SECONDS)
        self._armed = ""
        return True

    def _healthy(self) -> bool:
        return self.server.poll() is None and _answers(self.stage.url) and _answers(self.custodian_url)

    def _children(self) -> dict[str, int]:
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except (OSError, IndexError):
                continue
            if parent == self.server.pid and b"serve" in arguments:
                found[arguments[arguments.index(b"serve") - 1].decode()] = int(entry.name)
        return found


@contextmanager
def sited(root: Path, init_options: Sequence[str] = ()) -> Iterator[Site]:
    """A fresh installation with its registrar's clients; every process is ended at the end."""
    failpoints = root / "failpoint"
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, str(failpoints))
            stage = stack.enter_context(staged(root, init_options, launch=Forked))
        settings = tomllib.loads((stage.folder / "mohr.toml").read_text("utf-8"))
        cast = stack.enter_context(closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)))
        site = Site(stage, cast, failpoints, stage.process, settings["custodian"]["url"])
        stack.callback(lambda: stop(site.server))
        yield site


def start_watched(folder: Path, failpoints: Path) -> subprocess.Popen[bytes]:
    """``mohr serve`` that looks into the file of failpoints; no other process of this test run does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(failpoints))
        return start_server(folder, launch=Forked)


@dataclass
class Journey:
    """One small tender, step by step; ``plan`` says at which points something dies during which step.

    Under the name of a step stand the points for its first, second ... time. ``before_step`` is called before each.
    """

    site: Site
    bidders: tuple[str, ...]
    plan: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    before_step: Callable[[], None] = lambda: None
    tender: str = ""
    closes_at: datetime | None = None
    sealed: dict[str, SealedBid] = field(default_factory=dict)

    @property
    def script(self) -> Script:
        """A contract for the lowest price; each bidder asks for a little more than the one before."""
        bids = tuple(
            ScriptedBid(bidder, _lines(PRICE + place * 100_000_000))
            for place, bidder in enumerate(self.bidders)
        )
        return replace(own_scripts()[0], bids=bids)

    def publish(self) -> None:
        """From the draft to the notice."""
        cast, now = self.site.cast, self.site.stage.clock.now()
        buyer, delivered = cast.buyer(), now + timedelta(days=2)
        for position in range(6):
            cast.member(position)
        for bidder in self.bidders:
            cast.bidder(bidder)
        cast.approver()
        cast.auditor()
        fields = _draft(self.script, now, delivered, delivered + timedelta(days=10), None, cast)
        tender = self._do("draft", lambda: buyer.draft(fields))
        assert tender is not None
        self.tender = tender
        self._do("submit-for-approval", lambda: buyer.submit_for_approval(tender))
        self._do("approve", lambda: cast.approver().approve(tender))
        self._do("key-set", lambda: buyer.compose_key_set(tender))
        for member in cast.key_holders():
            self._do("countersign", lambda member=member: member.countersign_key_set(tender))  # type: ignore[misc]
        self._do("publish", lambda: buyer.publish(tender))
        self.closes_at = parse_utc(cast.auditor().api.get(f"/tenders/{tender}")["closes_at"])
        self.site.stage.clock.advance(timedelta(days=1))

    def bid(self, bidder: str) -> None:
        """Seal, submit and, whatever dies meanwhile, hold a proven receipt in the end."""
        valid_until = self.site.stage.clock.now() + timedelta(days=200)
        (scripted,) = (bid for bid in self.script.bids if bid.bidder == bidder)
        contents = contents_of(self.script, scripted, valid_until)
        client = self.site.cast.bidder(bidder)
        bid = self.site.insist(lambda: client.prepare_bid(self.tender, LOT, contents))
        assert bid is not None
        submitted = self._do("bid", lambda: client.submit(bid))
        assert submitted is not None
        assert submitted.receipt.proof is not None
        self.sealed[bidder] = submitted.bid

    def withdraw(self, bidder: str) -> None:
        """Withdraw; when the answer was lost, the same signed withdrawal gets the first receipt."""
        bid, client = self.sealed[bidder], self.site.cast.bidder(bidder)
        session = self.site.cast.organisation(bidder, "bidder")

        def step() -> Any:
            wire = session.folder.read_json(f"bids/{bid.manifest_digest}/withdrawal.json")
            if wire is None:
                return client.withdraw(bid)
            return session.api.post(f"/tenders/{self.tender}/withdrawals", wire)

        assert self._do("withdraw", step) is not None

    def close_submissions(self) -> None:
        """Past the deadline and its grace the closing list comes by itself."""
        assert self.closes_at is not None
        clock = self.site.stage.clock

        def step() -> None:
            ahead = self.closes_at - clock.now() if self.closes_at else timedelta(0)
            if ahead > timedelta(0):
                clock.advance(ahead + timedelta(seconds=1))
            answer = self.site.cast.auditor().api.get(f"/tenders/{self.tender}/closing-list")
            if answer["proof"] is None:
                raise Unavailable("the closing list is not in the log yet")

        def patiently() -> None:
            try:
                step()
            except ApiRefusal as refusal:
                if refusal.code != "not-found":
                    raise
                time.sleep(0.1)
                raise Unavailable("there is no closing list yet") from refusal

        self._do("close-submissions", patiently)

    def check_listed(self) -> None:
        """Every bid that stands is listed, as its bidder's own client sees it."""
        for bidder in self.sealed:
            checks = self.site.insist(
                lambda bidder=bidder: self.site.cast.bidder(bidder).check_closing_list(self.tender)  # type: ignore[misc]
            )
            assert all(check.listed for check in checks or []), bidder

    def open_stage(self, stage: str, *, late: int | None = None) -> None:
        """A session to its record. Member ``late`` is present and hands in only once the custodian has released."""
        tender, sitting = self.tender, self.site.cast.sitting()
        head = sitting[0]
        present = [*sitting, self.site.cast.member(late)] if late is not None else sitting
        for member in present:
            self._do("attend", lambda member=member: member.attend(tender, stage))  # type: ignore[misc]
        self._do("open", lambda: head.open_session(tender, stage))
        for member in sitting:
            self._do("batch", lambda member=member: member.hand_in_batch(tender, stage))  # type: ignore[misc]

        def release() -> Any:
            try:
                return head.release(tender, stage)
            except Unavailable:
                self.site.revive()
                if late is not None:
                    present[-1].hand_in_batch(tender, stage)
                raise

        self._do("release", release)
        for member in present:
            self._do("sign-record", lambda member=member: member.sign_record(tender, stage))  # type: ignore[misc]
        for member in present:
            self._do("sign-minutes", lambda member=member: member.sign_minutes(tender, stage))  # type: ignore[misc]
        if stage == "C":
            return
        document = self.site.insist(lambda: head.propose_decision(tender, stage))
        assert document is not None
        for member in present[:3]:
            self._do(
                "decide",
                lambda member=member: member.sign_decision(tender, stage, document),  # type: ignore[misc]
            )

    def award(self) -> None:
        """The award by majority, and the end: keys destroyed, the tender's winner the expected one."""
        head, *others = self.site.cast.sitting()
        document = self.site.insist(lambda: head.award_draft(self.tender))
        assert document is not None
        for member in (head, *others):
            self._do("award", lambda member=member: member.sign_award(self.tender, document))  # type: ignore[misc]
        for member in (head, *others):
            self._do(
                "sign-minutes",
                lambda member=member: member.sign_minutes(self.tender, "decision"),  # type: ignore[misc]
            )
        self._do("end", lambda: self.site.cast.buyer().close(self.tender))
        (lot,) = parse_canonical(document)["lots"]
        standing = [bid for bid in self.script.bids if bid.bidder in self.sealed]
        lowest = min(standing, key=lambda bid: bid.total)
        assert lot["winner"] == party_of_name("IRO", lowest.bidder)
        assert Decimal(lot["ranking"][0]["amount"]["amount"]) == lowest.total
        assert len(lot["ranking"]) == len(standing)
        status = self.site.cast.auditor().api.get(f"/tenders/{self.tender}")
        assert status["state"] == "awarded"
        assert not any(self.plan.values()), f"never reached: {self.plan}"
        assert_agreement(self.site.stage)

    def _do(self, name: str, step: Callable[[], T]) -> T | None:
        self.before_step()
        points = self.plan.get(name)
        if points:
            return self.site.dying(points.pop(0), step)
        return self.site.insist(step)


def _lines(amount: int) -> tuple[dict[str, str | None], ...]:
    price = str(amount)
    line = {"id": "0001", "description": "روکش آسفالت", "quantity": "1", "unit": "طرح"}
    return ({**line, "unit_price": price, "amount": price},)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2.0, trust_env=False, verify=False).status_code == 200
    except httpx.HTTPError:
        return False


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS / 2
    while not condition():
        assert time.monotonic() < until, otherwise
        time.sleep(0.05)
