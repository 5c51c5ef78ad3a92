"""What was published as OCDS must be what the events of the log say, release by release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.evidence import LoggedEvent
from audit.folder import Folder
from audit.report import Finding
from transparency.ocds import evolve, record_for, release_for
from transparency.ocds_call import DEMO_TITLE
from transparency.ocds_extension import POLICY_PATH
from transparency.ocds_package import Publisher, from_bytes, record_package, release_package, to_bytes
from transparency.ocds_parts import TenderState

_NOBODY = Publisher(name="", base_uri="", demo=False)


def check_ocds(folder: Folder, events: Sequence[LoggedEvent], *, demo: bool) -> int:
    """Make every package again from the log and compare; returns the number of releases.

    Only who publishes, where and under which licence is taken from what is shown; it must be the same everywhere.
    """
    records = sorted(folder.names("ocds/records"))
    publisher = _read(folder, f"ocds/records/{records[0]}", demo)[1] if records else _NOBODY
    expected = _expected(events, publisher.base_uri)
    if set(folder.names("ocds/releases")) != set(expected):
        raise Finding("releases of a tender are missing or unknown to the log", where="ocds/releases")
    if set(records) != {f"{ocid}.json" for ocid in expected}:
        raise Finding("records are missing or unknown to the log", where="ocds/records")
    for ocid, releases in expected.items():
        names = {f"{number}.json" for number in range(1, len(releases) + 1)}
        if set(folder.names(f"ocds/releases/{ocid}")) != names:
            raise Finding("releases are missing or too many", where=f"ocds/releases/{ocid}")
        for number, release in enumerate(releases, start=1):
            path = f"ocds/releases/{ocid}/{number}.json"
            _compare(folder, path, release_package(release, number, publisher), publisher)
        path = f"ocds/records/{ocid}.json"
        _compare(folder, path, record_package(record_for(releases), publisher), publisher)
    return sum(len(releases) for releases in expected.values())


def _expected(events: Sequence[LoggedEvent], base_uri: str) -> dict[str, list[dict[str, Any]]]:
    states: dict[str, TenderState] = {}
    releases: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        value = from_bytes(event.entry)
        state = evolve(states.get(event.subject, TenderState()), value)
        states[event.subject] = state
        release = release_for(value, state, base_uri)
        if release is not None:
            releases.setdefault(str(release["ocid"]), []).append(release)
    return releases


def _read(folder: Folder, path: str, demo: bool) -> tuple[dict[str, Any], Publisher]:
    try:
        package = from_bytes(folder.read(path))
        named = package["publisher"]
        base_uri = str(package["uri"]).removesuffix(f"/{path}")
        policy = package["publicationPolicy"]
        publisher = Publisher(
            name=str(named["name"]).removeprefix(DEMO_TITLE) if demo else named["name"],
            base_uri=base_uri,
            demo=demo,
            scheme=named.get("scheme"),
            uid=named.get("uid"),
            policy=None if policy == f"{base_uri}{POLICY_PATH}" else policy,
            licence=package["license"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Finding("not an OCDS package", where=path) from error
    return package, publisher


def _compare(folder: Folder, path: str, expected: dict[str, Any], publisher: Publisher) -> None:
    package, named = _read(folder, path, publisher.demo)
    if named != publisher:
        raise Finding("the packages name several publishers", where="ocds")
    if to_bytes(package) != to_bytes(expected):
        raise Finding("it says something else than the log", where=path)
