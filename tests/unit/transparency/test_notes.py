"""Signed notes, checkpoints and cosignatures have the published form and fail on anything else."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.unit.transparency.logs import signer
from transparency.errors import NoteInvalid
from transparency.notes import (
    COSIGNATURE_V1,
    Checkpoint,
    NoteVerifier,
    add_signatures,
    cosign,
    open_note,
    parse_signatures,
    sign_note,
    split_note,
)

# The examples printed in the C2SP documents.
EXAMPLE_CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
EXAMPLE_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
TEXT = Checkpoint("mohr.test/log", 7, bytes(range(32))).text


def test_the_note_that_go_verifies_is_verified() -> None:
    """The example of Go's sumdb/note package opens with its verifier key."""
    text, signatures = open_note(EXAMPLE_NOTE, [NoteVerifier.parse(EXAMPLE_VKEY)])

    assert text.startswith("If you think cryptography")
    assert [signature.verifier.name for signature in signatures] == ["PeterNeumann"]


def test_a_changed_word_is_noticed() -> None:
    """A known key's signature over other words rejects the whole note."""
    with pytest.raises(NoteInvalid, match="does not verify"):
        open_note(EXAMPLE_NOTE.replace("answer", "question"), [NoteVerifier.parse(EXAMPLE_VKEY)])


def test_verifier_keys_survive_their_text_form() -> None:
    """Both kinds of key read back from their text, with key ids that differ between the kinds."""
    key = signer("mohr.test/log")

    assert NoteVerifier.parse(key.vkey) == key.verifier
    assert NoteVerifier.parse(key.cosigner_vkey) == key.cosigner
    assert key.cosigner.kind == COSIGNATURE_V1
    assert key.verifier.key_id != key.cosigner.key_id


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000+",
        EXAMPLE_VKEY.replace("c74f20a3", "c74f20a4"),
        EXAMPLE_VKEY.replace("Peter", "Pieter"),
        EXAMPLE_VKEY.replace("PeterNeumann", "Peter Neumann"),
        EXAMPLE_VKEY[:-4],
        EXAMPLE_VKEY.replace("+ARpc", "+AhpC"),
    ],
)
def test_broken_verifier_keys_are_refused(vkey: str) -> None:
    """A key whose name, id, kind or length do not fit is not taken for a key."""
    with pytest.raises(NoteInvalid):
        NoteVerifier.parse(vkey)


def test_checkpoints_survive_their_text_form() -> None:
    """A checkpoint reads back from its text, with extension lines."""
    checkpoint = Checkpoint.parse(EXAMPLE_CHECKPOINT)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.text == EXAMPLE_CHECKPOINT
    assert Checkpoint.parse(EXAMPLE_CHECKPOINT + "more\n").extensions == ("more",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("20852163", "020852163"),
        ("20852163", "-1"),
        ("20852163", "٢٠"),
        ("20852163\n", ""),
        ("xq2I=", "xq2J="),
        ("CsUY", ""),
        ("example.com/behind-the-sofa", ""),
    ],
)
def test_other_forms_of_a_checkpoint_are_refused(old: str, new: str) -> None:
    """Leading zeroes, signs, foreign digits, missing lines, stray bits and short roots are refused."""
    with pytest.raises(NoteInvalid):
        Checkpoint.parse(EXAMPLE_CHECKPOINT.replace(old, new))


def test_a_cosignature_signs_time_and_checkpoint_as_published() -> None:
    """The signed message of cosignature/v1 is the header, the time line and the text of the checkpoint."""
    witness = signer("witness.test/w1")
    line = cosign(TEXT, witness, 1_679_315_147)
    (signature,) = parse_signatures(line)

    assert signature.key_id == witness.cosigner.key_id
    assert int.from_bytes(signature.value[:8], "big") == 1_679_315_147
    message = f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    Ed25519PublicKey.from_public_bytes(witness.cosigner.public_key).verify(signature.value[8:], message)


def test_the_time_of_a_cosignature_is_read_and_cannot_be_moved() -> None:
    """A verified cosignature tells its time; another time under the same signature does not verify."""
    log, witness = signer("mohr.test/log"), signer("witness.test/w1")
    note = sign_note(TEXT, log) + cosign(TEXT, witness, 1_700_000_000)
    _, signatures = open_note(note, [log.verifier, witness.cosigner])
    moved = split_note(note)[1][1]
    later = (1_800_000_000).to_bytes(8, "big") + moved.value[8:]

    assert [signature.timestamp for signature in signatures] == [None, 1_700_000_000]
    with pytest.raises(NoteInvalid):
        witness.cosigner.check(TEXT, later)


def test_a_signature_of_one_kind_is_none_of_the_other() -> None:
    """A log's plain signature never counts as a cosignature by the same key, nor the reverse."""
    both = signer("mohr.test/both")

    with pytest.raises(NoteInvalid, match="no signature of a known key"):
        open_note(sign_note(TEXT, both), [both.cosigner])
    with pytest.raises(NoteInvalid, match="no signature of a known key"):
        open_note(f"{TEXT}\n{cosign(TEXT, both, 5)}", [both.verifier])


def test_signatures_by_unknown_keys_are_passed_over() -> None:
    """A note opens with one known key whatever else is under it, and not at all with none."""
    log, stranger = signer("mohr.test/log"), signer("stranger.test/s")
    note = add_signatures(sign_note(TEXT, log), parse_signatures(cosign(TEXT, stranger, 5)))

    assert len(open_note(note, [log.verifier])[1]) == 1
    with pytest.raises(NoteInvalid):
        open_note(note, [signer("mohr.test/other").verifier])


def test_a_newer_signature_replaces_the_one_by_the_same_key() -> None:
    """Adding a cosignature twice leaves one, the newer."""
    log, witness = signer("mohr.test/log"), signer("witness.test/w1")
    note = sign_note(TEXT, log)
    for timestamp in (5, 6):
        note = add_signatures(note, parse_signatures(cosign(TEXT, witness, timestamp)))

    assert [each.timestamp for each in open_note(note, [witness.cosigner])[1]] == [6]
    assert len(split_note(note)[1]) == 2


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        EXAMPLE_NOTE[:-1],
        EXAMPLE_NOTE.replace("— ", "- "),
        EXAMPLE_NOTE.replace("x08g", "!!!!"),
        EXAMPLE_NOTE.replace("think", "th\tink"),
        EXAMPLE_NOTE.replace("think", "th\ud800ink"),
        EXAMPLE_NOTE + "— name AAAA\n",
        EXAMPLE_NOTE + "— name AAAAAAAA\n" * 40,
        "x" * 70_000 + EXAMPLE_NOTE,
    ],
)
def test_other_forms_of_a_note_are_refused(note: str) -> None:
    """Missing parts, control characters, broken base64, too many signatures and too long texts are refused."""
    with pytest.raises(NoteInvalid):
        split_note(note)
