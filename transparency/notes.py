"""Signed notes, checkpoints and cosignatures, all with Ed25519.

C2SP signed-note, tlog-checkpoint and tlog-cosignature (``cosignature/v1``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from transparency.errors import NoteInvalid
from transparency.tree import HASH_BYTES

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
MAX_NOTE_BYTES = 64 << 10
MAX_SIGNATURES = 32

_KEY_NAME = re.compile(r"[^\s+]+")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_TIMESTAMP_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A name and an Ed25519 public key; ``kind`` says whether it signs notes (0x01) or cosigns (0x04)."""

    name: str
    public_key: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if _KEY_NAME.fullmatch(self.name) is None:
            raise NoteInvalid(
                "the name of a key is not empty and holds no space and no plus", name=self.name[:64]
            )
        if self.kind not in (ED25519, COSIGNATURE_V1) or len(self.public_key) != 32:
            raise NoteInvalid(
                "only Ed25519 keys for notes (1) and cosignatures (4) are known", name=self.name
            )

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read ``name+hex key id+base64(kind || key)``; raises NoteInvalid."""
        parts = vkey.split("+", 2)
        material = _decode(parts[2]) if len(parts) == 3 else b""
        if not material:
            raise NoteInvalid("a verifier key is name+id+key", value=vkey[:64])
        verifier = cls(parts[0], material[1:], material[0])
        if verifier.key_id.hex() != parts[1]:
            raise NoteInvalid("the key id does not belong to this name and key", name=verifier.name)
        return verifier

    @property
    def key_id(self) -> bytes:
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        return hashlib.sha256(material).digest()[:4]

    @property
    def vkey(self) -> str:
        key = base64.b64encode(bytes([self.kind]) + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{key}"

    def check(self, text: str, value: bytes) -> int | None:
        """Verify ``value`` over the note text; returns the POSIX time of a cosignature, else None."""
        message, signature, timestamp = text.encode(), value, None
        if self.kind == COSIGNATURE_V1:
            if len(value) != 72:
                raise NoteInvalid("a cosignature has 72 bytes", name=self.name)
            timestamp, signature = int.from_bytes(value[:8], "big"), value[8:]
            if timestamp >= _TIMESTAMP_LIMIT:
                raise NoteInvalid("the time of a cosignature is out of range", name=self.name)
            message = _cosigned_message(text, timestamp)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NoteInvalid("a signature of a known key does not verify", name=self.name) from error
        return timestamp


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A name with an Ed25519 private key: a log signs notes with it, a witness cosigns."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> NoteVerifier:
        return NoteVerifier(self.name, self.key.public_key().public_bytes_raw(), ED25519)

    @property
    def cosigner(self) -> NoteVerifier:
        return NoteVerifier(self.name, self.key.public_key().public_bytes_raw(), COSIGNATURE_V1)

    @property
    def vkey(self) -> str:
        """What others pin for a log."""
        return self.verifier.vkey

    @property
    def cosigner_vkey(self) -> str:
        """What others pin for a witness."""
        return self.cosigner.vkey


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line as it stands in a note."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.value).decode('ascii')}\n"


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A valid signature of a known key; ``timestamp`` is POSIX seconds for cosignatures, else None."""

    verifier: NoteVerifier
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: ``origin`` names the log, ``root`` is its RFC 6962 root at ``size``."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        root = base64.b64encode(self.root).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note (tlog-checkpoint); raises NoteInvalid."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "" or not all(lines):
            raise NoteInvalid("a checkpoint has an origin, a size and a root, each on its line")
        origin, size, root, *extensions = lines
        if _NUMBER.fullmatch(size) is None:
            raise NoteInvalid("the size in a checkpoint is a plain number", origin=origin[:64])
        decoded = _decode(root)
        if len(decoded) != HASH_BYTES:
            raise NoteInvalid("the root in a checkpoint is 32 bytes in base64", origin=origin[:64])
        return cls(origin, int(size), decoded, tuple(extensions))


def sign_note(text: str, signer: NoteSigner) -> str:
    """The note: ``text``, an empty line and the signature line."""
    signature = NoteSignature(signer.name, signer.verifier.key_id, signer.key.sign(text.encode()))
    return f"{text}\n{signature.line}"


def cosign(text: str, signer: NoteSigner, timestamp: int) -> str:
    """The cosignature line for the text of a checkpoint at a POSIX time."""
    value = struct.pack(">Q", timestamp) + signer.key.sign(_cosigned_message(text, timestamp))
    return NoteSignature(signer.name, signer.cosigner.key_id, value).line


def split_note(note: str) -> tuple[str, list[NoteSignature]]:
    """Take a note apart without verifying anything; raises NoteInvalid on another form."""
    try:
        length = len(note.encode())
    except UnicodeEncodeError as error:
        raise NoteInvalid("a note is valid UTF-8") from error
    if length > MAX_NOTE_BYTES or _CONTROL.search(note):
        raise NoteInvalid("a note is short and holds no control characters")
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise NoteInvalid("a note is a text, an empty line and signature lines")
    return text + "\n", parse_signatures(lines)


def parse_signatures(lines: str) -> list[NoteSignature]:
    """Read signature lines, each with its newline; raises NoteInvalid."""
    found = lines.split("\n")
    if found.pop() != "" or not 0 < len(found) <= MAX_SIGNATURES:
        raise NoteInvalid(
            "signature lines end with a newline, and there are not too many", limit=MAX_SIGNATURES
        )
    return [_parse_signature(line) for line in found]


def open_note(note: str, verifiers: Iterable[NoteVerifier]) -> tuple[str, tuple[VerifiedSignature, ...]]:
    """The text of a note and the signatures by known keys, of which there is at least one.

    Signatures by unknown keys are passed over; an invalid one by a known key raises NoteInvalid.
    """
    text, signatures = split_note(note)
    verified = verify_signatures(text, signatures, verifiers)
    if not verified:
        raise NoteInvalid("the note bears no signature of a known key")
    return text, verified


def verify_signatures(
    text: str, signatures: Sequence[NoteSignature], verifiers: Iterable[NoteVerifier]
) -> tuple[VerifiedSignature, ...]:
    """Those of ``signatures`` that known keys made; raises NoteInvalid when one of them does not verify."""
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    named = [(known.get((each.name, each.key_id)), each.value) for each in signatures]
    return tuple(
        VerifiedSignature(verifier, verifier.check(text, value)) for verifier, value in named if verifier
    )


def add_signatures(note: str, added: Sequence[NoteSignature]) -> str:
    """The note with more signatures; one by the same key as an added one is replaced."""
    text, present = split_note(note)
    keys = {(each.name, each.key_id) for each in added}
    kept = [each for each in present if (each.name, each.key_id) not in keys]
    return f"{text}\n" + "".join(each.line for each in (*kept, *added))


def _parse_signature(line: str) -> NoteSignature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    value = _decode(encoded)
    if dash != "—" or _KEY_NAME.fullmatch(name) is None or len(value) < 5:
        raise NoteInvalid("a signature line is a dash, the name of a key and base64")
    return NoteSignature(name, value[:4], value[4:])


def _cosigned_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _decode(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("not base64") from error
    if base64.b64encode(decoded).decode("ascii") != text:
        raise NoteInvalid("base64 with stray bits")
    return decoded
