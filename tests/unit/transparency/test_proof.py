"""A proof file convinces only with the log's signature, a known witness's cosignature and a path that fits."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.transparency.logs import note_of, signer, tree_of
from transparency.errors import ProofInvalid
from transparency.notes import Checkpoint, add_signatures, cosign, parse_signatures, sign_note, split_note
from transparency.proof import make_proof, verify_proof

LOG, WITNESS, SECOND = signer("mohr.test/log"), signer("witness.test/w1"), signer("witness.test/w2")
VKEYS = [WITNESS.cosigner_vkey, SECOND.cosigner_vkey]
TREE = tree_of(11)
COSIGNED_AT = 1_700_000_000


def cosigned(*times: tuple[Any, int]) -> str:
    note = note_of(TREE, LOG)
    text, _ = split_note(note)
    for witness, time in times:
        note = add_signatures(note, parse_signatures(cosign(text, witness, time)))
    return note


def proof(note: str | None = None, **changes: Any) -> dict[str, Any]:
    return {**make_proof(TREE, 4, note or cosigned((WITNESS, COSIGNED_AT)), 11), **changes}


def test_a_proof_tells_where_the_entry_is_and_when_it_was_witnessed() -> None:
    """Index, size and the witness's time come out of a proof that holds, by leaf hash and by entry."""
    verified = verify_proof(proof(), LOG.vkey, VKEYS, leaf_hash=TREE.leaf(4).hex())

    assert (verified.index, verified.size) == (4, 11)
    assert verified.cosigned_at == datetime.fromtimestamp(COSIGNED_AT, UTC)
    assert verify_proof(proof(), LOG.vkey, VKEYS, entry=b"4") == verified


def test_of_several_witnesses_the_earliest_time_counts() -> None:
    """Nobody can make a checkpoint look later than the first known witness says it was seen."""
    note = cosigned((WITNESS, COSIGNED_AT + 50), (SECOND, COSIGNED_AT))

    verified = verify_proof(proof(note), LOG.vkey, VKEYS, entry=b"4")

    assert verified.cosigned_at == datetime.fromtimestamp(COSIGNED_AT, UTC)


@pytest.mark.parametrize(
    "changed",
    [
        {"index": 5},
        {"index": True},
        {"index": "4"},
        {"index": -1},
        {"inclusion": []},
        {"inclusion": ["00" * 32] * 4},
        {"inclusion": [1, 2, 3, 4]},
        {"inclusion": ["00" * 32] * 65},
        {"leaf_hash": TREE.leaf(5).hex()},
        {"leaf_hash": TREE.leaf(4).hex().upper()},
        {"type": "mohr/proof/v2"},
        {"more": 1},
        {"checkpoint": note_of(TREE, LOG)},
        {"checkpoint": "nonsense"},
        {"checkpoint": None},
        {"checkpoint": note_of(tree_of(11, salt="other"), LOG)},
    ],
    ids=lambda changed: f"{next(iter(changed))}={str(next(iter(changed.values())))[:12]!r}",
)
def test_a_proof_with_anything_changed_is_refused(changed: dict[str, Any]) -> None:
    """Each field counts: none can be changed, left out of its form, or added."""
    with pytest.raises(ProofInvalid):
        verify_proof(proof(**changed), LOG.vkey, VKEYS, entry=b"4")


def test_a_proof_is_about_the_entry_in_question() -> None:
    """A proof for another entry is refused, and so is a question about no entry at all."""
    with pytest.raises(ProofInvalid, match="another entry"):
        verify_proof(proof(), LOG.vkey, VKEYS, entry=b"5")
    with pytest.raises(ProofInvalid, match="another entry"):
        verify_proof(proof(), LOG.vkey, VKEYS, leaf_hash=TREE.leaf(4).hex(), entry=b"5")
    with pytest.raises(ProofInvalid, match="another entry"):
        verify_proof(proof(), LOG.vkey, VKEYS)


def test_unknown_witnesses_and_other_logs_do_not_count() -> None:
    """Only pinned keys count: a stranger's cosignature, another log, or a plain signature by a witness fail."""
    stranger = signer("stranger.test/s")

    with pytest.raises(ProofInvalid, match="no known witness"):
        verify_proof(proof(cosigned((stranger, COSIGNED_AT))), LOG.vkey, VKEYS, entry=b"4")
    with pytest.raises(ProofInvalid):
        verify_proof(proof(), signer("mohr.test/other").vkey, VKEYS, entry=b"4")
    with pytest.raises(ProofInvalid, match="no known witness"):
        verify_proof(proof(), LOG.vkey, [WITNESS.vkey], entry=b"4")
    with pytest.raises(ProofInvalid, match="no known witness"):
        verify_proof(proof(), LOG.vkey, [], entry=b"4")


def test_a_witness_alone_is_not_the_log() -> None:
    """A checkpoint that only the witness signed proves nothing, and neither does one that names another log."""
    text = split_note(cosigned())[0]
    unsigned = f"{text}\n{cosign(text, WITNESS, COSIGNED_AT)}"
    misnamed = sign_note(Checkpoint("mohr.test/other", 11, TREE.root()).text, LOG)
    misnamed = add_signatures(
        misnamed, parse_signatures(cosign(split_note(misnamed)[0], WITNESS, COSIGNED_AT))
    )

    with pytest.raises(ProofInvalid, match="not signed by the log"):
        verify_proof(proof(unsigned), LOG.vkey, VKEYS, entry=b"4")
    with pytest.raises(ProofInvalid, match="not signed by the log it names"):
        verify_proof(proof(misnamed), LOG.vkey, VKEYS, entry=b"4")
