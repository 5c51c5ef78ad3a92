"""Killed at every durable step, no revocation is lost: what was answered counts, and the rest is whole or nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

import pki.list_issuing as list_issuing
from kernel import failpoints
from kernel.database import make_engine, make_sessions, read_only
from kernel.failpoints import VARIABLE
from pki.algorithms import fingerprint_of
from pki.errors import CertificateRevoked
from pki.locations import shard_of
from pki.registry import find_certificate
from tests.support.databases import Databases
from tests.support.registry import Office
from tests.support.revocation import (
    list_at,
    open_office,
    person,
    reasons_of,
    refresh,
    refresh_rest,
    revoke,
    suspend,
    trust_of,
)

COMMIT = "revocation-list-issued"


@pytest.fixture
def url(databases: Databases) -> str:
    return databases.new()


@pytest.fixture
def office(tmp_path: Path, url: str) -> Iterator[Office]:
    with open_office(tmp_path, url, base_url="http://mohr.test", shards=2) as made:
        yield made


def _dies(office: Office, url: str, folder: Path, point: str, work: Callable[[Office], object]) -> None:
    """Do the work in a process of its own with its own connections, which is killed at the point."""
    (folder / "failpoint").write_text(point, "ascii")
    child = os.fork()
    if child == 0:
        try:
            os.environ[VARIABLE] = str(folder / "failpoint")
            failpoints.arm(demo=True)
            work(Office(office.authority, make_sessions(make_engine(url)), office.clock))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def _state(office: Office, certificate: x509.Certificate) -> str:
    with read_only(office.sessions) as session:
        found = find_certificate(session, fingerprint_of(certificate))
    assert found is not None
    return found.state


def _refused(office: Office, certificate: x509.Certificate) -> bool:
    try:
        trust_of(office).validate(certificate, [], office.clock.now(), "signature", revocation="ever")
    except CertificateRevoked:
        return True
    return False


def _events_of(office: Office, certificate: x509.Certificate) -> list[str]:
    subject = fingerprint_of(certificate)
    return [each["type"].split(".")[3] for each in office.events() if each["subject"] == subject]


@pytest.mark.parametrize("act", [revoke, suspend])
@pytest.mark.parametrize("step", ["before", "after"])
def test_killed_around_the_commit(
    office: Office, url: str, tmp_path: Path, step: str, act: Callable[..., object]
) -> None:
    """State, event, full list, delta and shard of a change are there together, or none of them; then it goes on."""
    answered, asked = person(office), person(office, "IR-2")
    acknowledged = tmp_path / "acknowledged"

    def work(inside: Office) -> None:
        act(inside, answered)
        acknowledged.write_text("yes", "ascii")
        act(inside, asked)

    _dies(office, url, tmp_path, f"{step}.{COMMIT} 2", work)

    assert acknowledged.exists()
    assert _refused(office, answered)
    done = step == "after"
    assert _refused(office, asked) is done
    assert (_state(office, asked) != "issued") is done
    assert len(_events_of(office, asked)) == (2 if done else 1)
    for scope in ("full", "delta", shard_of(asked.serial_number, 2)):
        assert (asked.serial_number in reasons_of(list_at(office, scope=scope))) is done
    assert refresh(office) == []
    if not done:
        act(office, asked)
    assert _refused(office, asked)


@pytest.mark.parametrize(
    "point",
    [
        "before.nothing",
        "after.nothing",
        "list.in-work",
        "list.built",
        f"before.{COMMIT}",
        f"after.{COMMIT}",
    ],
)
def test_killed_while_a_long_list_is_made(
    office: Office, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """The deltas go on telling of every revocation, and another process makes the list, at the latest in a minute."""
    monkeypatch.setattr(list_issuing, "SHORT", -1)
    first, second = person(office), person(office, "IR-2")
    revoke(office, first)
    office.clock.advance(timedelta(minutes=1))

    _dies(office, url, tmp_path, f"{point} 1", refresh_rest)

    assert _refused(office, first)
    revoke(office, second)
    assert _refused(office, second)
    office.clock.advance(timedelta(minutes=1, seconds=1))
    refresh_rest(office)
    assert set(reasons_of(list_at(office))) == {first.serial_number, second.serial_number}
    assert _refused(office, first)
    assert _refused(office, second)
