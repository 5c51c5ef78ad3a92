"""What the custodian remembers beside its journal: public keys, key sets it stands behind, answers it gave.

```
tenders/<tender>.json           {"keys": {kind: base64}}, written before the journal says keys-created
key-sets/<digest>.json          {"tender", "document", "signature"}, before countersigned
answers/<digest>.json           {"request", "tender", "stage", "present", "document", "signature"}, before released
                                or keys-destroyed
```
A file counts only if the journal names its digest; what a crash left behind without an entry is removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custodian.errors import FolderUnfit
from custodian.files import write_durably
from custodian.journal import JournalEntry
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from kernel.errors import DomainError
from kernel.failpoints import reach

_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed document as it was given; ``request`` is the digest of what it answers."""

    request: str
    tender: str
    stage: str | None
    present: tuple[str, ...]
    session_digest: str | None
    document: bytes
    signature: bytes


class Store:
    """The files of one custodian folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_keys(self, tender: str, keys: dict[str, bytes]) -> None:
        """Remember the public keys of a tender; they outlive the private ones, for the attestation."""
        value = {"keys": {kind: to_base64(key) for kind, key in keys.items()}}
        write_durably(self._folder / "tenders" / f"{tender}.json", canonical_bytes(value))

    def keys(self, tender: str) -> dict[str, bytes] | None:
        """The public keys made for a tender, or None."""
        value = self._read("tenders", tender)
        return None if value is None else {kind: from_base64(key) for kind, key in value["keys"].items()}

    def put_key_set(self, digest: str, tender: str, document: bytes, signature: bytes) -> None:
        """Remember a key set together with the countersignature it was given."""
        value = {"tender": tender, "document": to_base64(document), "signature": to_base64(signature)}
        write_durably(self._folder / "key-sets" / f"{digest}.json", canonical_bytes(value))

    def key_set(self, digest: str) -> tuple[bytes, bytes] | None:
        """Document and countersignature, or None."""
        value = self._read("key-sets", digest)
        if value is None:
            return None
        return from_base64(value["document"]), from_base64(value["signature"])

    def put_answer(self, digest: str, answer: Answer) -> None:
        """Remember an answer before the journal names it."""
        value = {
            "request": answer.request,
            "tender": answer.tender,
            "stage": answer.stage,
            "present": list(answer.present),
            "session_digest": answer.session_digest,
            "document": to_base64(answer.document),
            "signature": to_base64(answer.signature),
        }
        reach("custodian.before-storing")
        write_durably(self._folder / "answers" / f"{digest}.json", canonical_bytes(value))

    def answer(self, digest: str) -> Answer:
        """The answer that the journal names; raises FolderUnfit when its file is gone."""
        value = self._read("answers", digest)
        if value is None:
            raise FolderUnfit("an answer that the journal names is not in the folder", digest=digest)
        return Answer(
            request=value["request"],
            tender=value["tender"],
            stage=value["stage"],
            present=tuple(value["present"]),
            session_digest=value["session_digest"],
            document=from_base64(value["document"], max_bytes=_LIMIT),
            signature=from_base64(value["signature"]),
        )

    def remove_unnamed(self, entries: Iterable[JournalEntry]) -> None:
        """Remove answers of which the journal knows nothing: they were never given, and they hold shares."""
        named = {entry.digest for entry in entries}
        for path in (self._folder / "answers").glob("*.json"):
            if path.stem not in named:
                path.unlink()

    def crls(self) -> list[bytes]:
        """The newest revocation lists seen, oldest file first."""
        return [path.read_bytes() for path in sorted((self._folder / "crls").glob("*.crl"))]

    def put_crl(self, name: str, der: bytes) -> None:
        """Keep the newest full list, or the newest delta, of one authority."""
        write_durably(self._folder / "crls" / f"{name}.crl", der)

    def _read(self, kind: str, name: str) -> dict[str, Any] | None:
        path = self._folder / kind / f"{name}.json"
        if not path.exists():
            return None
        try:
            return parse_canonical(path.read_bytes(), max_bytes=2 * _LIMIT)
        except DomainError as error:
            raise FolderUnfit(f"a file in {kind} cannot be read", name=name) from error
