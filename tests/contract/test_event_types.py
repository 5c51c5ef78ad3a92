"""The published list of event types is the one that the rules of procurement decide by."""

from schemas.events import EVENT_TYPES, MINUTES_SIGNED, SHARE_BATCH_RECEIVED
from tests.unit.transparency.tender_events import story, types_of_the_rules


def test_every_event_of_the_rules_is_published_and_none_is_made_up() -> None:
    """Public types and the types of the rules are the same, but for share batches and signatures under minutes,
    which move no tender and are recorded by their use cases."""
    public = {name for name, known in EVENT_TYPES.items() if not known.confidential}

    assert public - {SHARE_BATCH_RECEIVED.name, MINUTES_SIGNED.name} == types_of_the_rules()


def test_the_events_in_these_tests_keep_their_contract() -> None:
    """The made-up tender carries the fields that each type promises."""
    assert all(set(each["data"]) >= EVENT_TYPES[each["type"]].required for each in story())
