"""What the public is told: as canonical content, and no more of a withheld document than its state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authenticity.answers import Alteration, Answer, Asked, LogProof
from authenticity.record import Change, Record, Registration, Signatory, State
from authenticity.standing import standing, verdict_on_bytes
from kernel.canonical import canonical_bytes, parse_canonical

IDENTIFIER, DIGEST, AT = "44873063461045659411", "ab" * 32, "2026-11-24T19:00:00Z"
RECORD = Record(
    document="01a20ec5-6f0d-74a0-8775-99e0578aae5f",
    identifier=IDENTIFIER,
    digest=DIGEST,
    size=12,
    media_type="application/pdf",
    kind="minutes",
    title="راز شهر",
    unit="IRO-1",
    unit_name="شهرداری",
    issued_on="2026-11-24",
    valid_until=None,
    disclosure="public",
    rule="city-1405-1",
)
REGISTRATION = Registration(
    record=RECORD,
    state="valid",
    registered_at=AT,
    signatories=(Signatory("پریسا دانش", "شهرداری", "B-LTA", "TOTAL-PASSED", AT),),
    paper="cd" * 32,
    event=b"{}",
    leaf_hash="ef" * 32,
    salt="01" * 32,
)
PROOF = LogProof(b"{}", {"type": "mohr/proof/v1", "index": 7})


def withheld(**changes: object) -> Registration:
    return replace(REGISTRATION, record=replace(RECORD, disclosure="withheld"), **changes)  # type: ignore[arg-type]


def test_a_whole_answer_is_canonical_and_opens_its_commitment() -> None:
    """What is told of a public document matches the commitment in the log with the salt beside it."""
    answer = Answer("digest", DIGEST, "authentic", AT, REGISTRATION, PROOF, (Alteration("x", None, {}),))
    told = parse_canonical(canonical_bytes(answer.to_document()))

    assert told["registration"]["record"] == RECORD.to_json()
    opened = Record(**told["registration"]["record"]).commitment(bytes.fromhex(told["registration"]["salt"]))
    assert opened == RECORD.commitment(bytes.fromhex(REGISTRATION.salt))
    assert (told["verdict"], told["proof"]["proof"]["index"]) == ("authentic", 7)
    assert told["alterations"] == [{"code": "x", "since": None, "fields": {}}]


@pytest.mark.parametrize(("asked", "claimed"), [("identifier", None), ("file", IDENTIFIER)])
def test_a_withheld_document_keeps_its_secret(asked: Asked, claimed: str | None) -> None:
    """By identifier, or by a file that only bears it, nothing but identifier, unit, kind and state is told."""
    change = Change("revoke", AT, "راز", None, "cd" * 32, "ef" * 32, "01" * 32)
    found = withheld(state="revoked", changes=(change,))
    told = Answer(asked, IDENTIFIER, "registered", AT, found, PROOF, claimed=claimed).to_document()

    assert told["registration"] == {
        "identifier": IDENTIFIER,
        "unit": "IRO-1",
        "unit_name": "شهرداری",
        "kind": "minutes",
        "disclosure": "withheld",
        "state": "revoked",
    }
    assert told["proof"] is None
    assert "راز" not in str(told)


def test_who_holds_the_bytes_of_a_withheld_document_is_told_all() -> None:
    """By digest the record and the proof are disclosed, also of a withheld document."""
    told = Answer("digest", DIGEST, "authentic", AT, withheld(), PROOF).to_document()
    assert told["registration"]["record"]["title"] == "راز شهر"
    assert told["proof"] is not None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-24T20:29:59Z", "valid"),
        ("2026-11-24T20:30:00Z", "expired"),
    ],
)
def test_the_last_day_is_over_at_midnight_in_tehran(at: str, expected: str) -> None:
    """A document is in force through its last day by the clock of Tehran."""
    found = replace(REGISTRATION, record=replace(RECORD, valid_until="2026-11-24"))
    assert standing(found, at) == expected
    assert verdict_on_bytes(found, at) == ("authentic" if expected == "valid" else "expired")


@pytest.mark.parametrize("state", ["superseded", "corrected", "revoked"])
def test_what_took_it_out_of_force_outweighs_its_end(state: State) -> None:
    """A revoked document that has expired as well is called revoked."""
    found = replace(REGISTRATION, state=state, record=replace(RECORD, valid_until="2020-01-01"))
    assert verdict_on_bytes(found, AT) == state
