"""Shared by all tests: skipped tests can be made to fail the run, databases of both kinds, the shared data folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import KINDS, Databases
from tests.support.dss import Dss, running_dss
from tests.support.kafka import shared_broker
from tests.support.kept import Kept
from tests.support.postgresql import Cluster
from tools.kafka_broker import Broker

ROOT = Path(__file__).resolve().parent.parent
# In this order, the rest after them.
_ROOMS = {"e2e": 0, "integration": 1}
NOT_RUN = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fail-on-skip",
        action="store_true",
        default=os.environ.get("MOHR_FAIL_ON_SKIP") == "1" or os.environ.get("CI") == "true",
        help="fail the run if any test was skipped or expected to fail (also MOHR_FAIL_ON_SKIP=1 or CI=true)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = {}
    config.pluginmanager.register(SkipRecorder(config), "mohr-skip-recorder")


class SkipRecorder:
    """Every test that did not really pass is remembered, with its reason.

    A test skipped at collection has no test report, so both kinds of report are read. With xdist each process
    records, and the controller hears of all of them.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._record(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._record(report)

    def _record(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        expected_to_fail = getattr(report, "wasxfail", None)
        if expected_to_fail is not None:
            self.config.stash[NOT_RUN][report.nodeid] = f"expected to fail: {expected_to_fail}"
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.config.stash[NOT_RUN][report.nodeid] = reason

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        if self._fails and session.exitstatus == pytest.ExitCode.OK:
            # Before the terminal reporter's own wrapper returns, so that its summary tells the same story.
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._fails:
            return
        terminalreporter.section("tests that did not run, which fails this run", red=True)
        for nodeid, reason in sorted(self.config.stash[NOT_RUN].items()):
            terminalreporter.line(f"{nodeid}: {reason}")

    @property
    def _fails(self) -> bool:
        return bool(self.config.getoption("--fail-on-skip") and self.config.stash[NOT_RUN])


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Long journeys first, so that short tests fill the end of a run."""
    yield
    items.sort(key=lambda item: _ROOMS.get(item.path.relative_to(ROOT).parts[1], len(_ROOMS)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Processes that share the work share it by groups."""
    from tests.support.sharing import ByInstallation

    return ByInstallation(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published data and vectors that lies beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder shared/data is not beside this repository")
    return folder


@pytest.fixture(scope="session")
def kept() -> Iterator[Kept]:
    """What is made once for each kind of database and lives until the end of the run."""
    with Kept() as made:
        yield made


@pytest.fixture(scope="session")
def cluster(kept: Kept) -> Cluster:
    """A PostgreSQL server of this test process's own, with durable commits."""
    return kept.once("cluster", _running_cluster)


@contextmanager
def _running_cluster() -> Iterator[Cluster]:
    made = Cluster.create()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session", params=KINDS)
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kept: Kept
) -> Databases:
    """Fresh databases, of the one kind or the other: every test that asks for it runs on both.

    Tests of a file come in the order of their kinds, so this changes back and forth; whatever is dear and rests on it
    is ``kept``.
    """

    @contextmanager
    def made() -> Iterator[Databases]:
        cluster = request.getfixturevalue("cluster") if request.param == "postgresql" else None
        yield Databases(request.param, tmp_path_factory.mktemp("databases"), cluster)

    return kept.once(("databases", request.param), made)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka broker that every test of this run shares; each test has topics of its own."""
    with shared_broker(tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="session")
def dss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dss]:
    """The EU's signature library in one Java process of this test process's own, started at its first request."""
    with running_dss(tmp_path_factory.mktemp("dss")) as running:
        yield running
