"""Made-up tenders from notice to end as the packages that are published of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.unit.transparency.tender_events import event, story
from transparency.ocds import evolve, record_for, release_for
from transparency.ocds_package import Publisher, record_package, release_package, to_bytes
from transparency.ocds_parts import TenderState

BASE = "https://procurement.example"
_ENDED = {"ground": "g", "article": None, "reason": "no budget"}


def _too_long(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same story where lists did not fit into their events: they are empty, and the award is left out."""
    unsaid: dict[str, Any] = {"submissions": [], "results": [], "tenderers": [], "award": None}
    return [
        {**each, "data": {**each["data"], **{key: unsaid[key] for key in unsaid if key in each["data"]}}}
        for each in events
    ]


STORIES = {
    "awarded": story(),
    "demo": story(demo=True, estimate=None, price_opening_at=None, method="limited_tender"),
    "auction": story(method="auction", nature="revenue", stages=1, price_opening_at=None, description=""),
    "long": _too_long(story()),
    "cancelled": [*story()[:4], event("tender-cancelled", 9, _ENDED)],
    "unsuccessful": [*story()[:8], event("tender-unsuccessful", 9, _ENDED)],
}


def packages(name: str) -> Iterator[dict[str, Any]]:
    """Every package of a story as a reader of the JSON has it: the releases, and the record last."""
    publisher = Publisher("Municipality of Tehran", BASE, demo=name == "demo", uid="1")
    state, releases = TenderState(), []
    for each in STORIES[name]:
        state = evolve(state, each)
        release = release_for(each, state, BASE)
        if release is not None:
            releases.append(release)
            yield json.loads(to_bytes(release_package(release, len(releases), publisher)))
    yield json.loads(to_bytes(record_package(record_for(releases), publisher)))
