"""The published list of event types is the one that the rules of procurement decide by."""

import re
from pathlib import Path

from schemas.events import DOMAINS, EVENT_TYPES, MINUTES_SIGNED, SHARE_BATCH_RECEIVED
from tests.unit.transparency.tender_events import story, types_of_the_rules


def test_every_event_of_the_rules_is_published_and_none_is_made_up() -> None:
    """Public types and the types of the rules are the same, but for share batches and signatures under minutes,
    which move no tender and are recorded by their use cases."""
    public = {
        name
        for name, known in EVENT_TYPES.items()
        if not known.confidential and known.domain == "procurement"
    }

    assert public - {SHARE_BATCH_RECEIVED.name, MINUTES_SIGNED.name} == types_of_the_rules()


def test_the_events_in_these_tests_keep_their_contract() -> None:
    """The made-up tender carries the fields that each type promises."""
    assert all(set(each["data"]) >= EVENT_TYPES[each["type"]].required for each in story())


def test_every_domain_that_records_events_is_listed() -> None:
    """A domain that is missing in the list would have no topic, and its events would wait for ever."""
    rooms = Path(__file__).resolve().parents[2]
    source = "".join(
        path.read_text("utf-8")
        for room in (
            "app",
            "documents",
            "events",
            "identity",
            "pki",
            "procurement",
            "schemas",
            "signing",
            "transparency",
        )
        for path in (rooms / room).rglob("*.py")
    )
    assert set(re.findall(r'"ir\.tehran\.([a-z]+)\.', source)) == set(DOMAINS)
