"""Sealed bids in the bidder's folder: made whole before anything is sent, so that a broken upload can go on.

```
bids/<manifest digest>/state.json     tender, lot, submission_number, state, id at the server
                       manifest.json, seal.p7s, header-<K>.json, <blob names>
bids/.sealing-<random>/               blobs of a bid that has no manifest yet
```
No plaintext is kept: what was sealed is the bidder's own to keep or not.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from client.errors import FolderInvalid
from client.folder import PartyFolder
from kernel.canonical import sha256_hex
from kernel.storage import refusing_when_full
from procurement.rules.notice import KINDS

_SEALING = ".sealing-"
SEALED, SUBMITTED, COMPLETE, WITHDRAWN = "sealed", "submitted", "complete", "withdrawn"


@dataclass(frozen=True, slots=True)
class SealedBid:
    """A bid as it goes out; ``blobs`` are read from the folder one by one when they are sent."""

    tender: str
    lot: str
    submission_number: int
    manifest: bytes
    seal: bytes
    headers: Mapping[str, bytes]
    blob_names: tuple[str, ...]
    state: str = SEALED
    id: str | None = None

    @property
    def manifest_digest(self) -> str:
        return sha256_hex(self.manifest)

    @property
    def seal_digest(self) -> str:
        return sha256_hex(self.seal)


@dataclass(frozen=True, slots=True)
class SealingFolder:
    """Blobs of one bid on their way to the disk."""

    place: Path

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A blob to write, synced at the end; raises StorageFull."""
        with refusing_when_full(), (self.place / name).open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())

    def write(self, blobs: Mapping[str, bytes]) -> None:
        """Write small blobs; raises StorageFull."""
        for name, content in blobs.items():
            with self.writing(name) as stream:
                stream.write(content)

    @property
    def names(self) -> tuple[str, ...]:
        """Of what was written, sorted."""
        return tuple(sorted(path.name for path in self.place.iterdir()))


class SealedBids:
    """The ``bids`` part of a party's folder."""

    def __init__(self, folder: PartyFolder) -> None:
        self._folder = folder

    @contextmanager
    def sealing(self) -> Iterator[SealingFolder]:
        """A place for the blobs of a bid while it is sealed; whatever was not added goes at the end."""
        parent = self._folder.path / "bids"
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_over in parent.glob(f"{_SEALING}*"):
            _remove_unheld(left_over)
        place = Path(tempfile.mkdtemp(prefix=_SEALING, dir=parent))
        held = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield SealingFolder(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
            os.close(held)

    def add(self, bid: SealedBid, sealing: SealingFolder) -> None:
        """Keep a bid with the blobs made in ``sealing``; its state file comes last and makes it count."""
        base = f"bids/{bid.manifest_digest}"
        with refusing_when_full():
            sealing.place.rename(self._folder.path / base)
            for kind, header in bid.headers.items():
                self._folder.write(f"{base}/header-{kind}.json", header)
            self._folder.write(f"{base}/manifest.json", bid.manifest)
            self._folder.write(f"{base}/seal.p7s", bid.seal)
            self._write_state(bid)

    def mark(self, bid: SealedBid, state: str, *, id_: str | None = None) -> SealedBid:
        """Remember how far a bid has come."""
        marked = replace(bid, state=state, id=id_ or bid.id)
        self._write_state(marked)
        return marked

    def get(self, manifest_digest: str) -> SealedBid:
        """The bid with that manifest; raises FolderInvalid."""
        state = self._folder.read_json(f"bids/{manifest_digest}/state.json")
        if state is None:
            raise FolderInvalid("no bid of that manifest is in the folder", manifest=manifest_digest[:64])
        bid = self._read(manifest_digest, state)
        if bid.manifest_digest != manifest_digest:
            raise FolderInvalid("the manifest in the folder was altered", manifest=manifest_digest)
        return bid

    def of_tender(self, tender: str) -> list[SealedBid]:
        """Every bid for a tender, by lot and submission number."""
        folder = self._folder.path / "bids"
        bids = [self.get(path.parent.name) for path in folder.glob("*/state.json")]
        mine = [bid for bid in bids if bid.tender == tender]
        return sorted(mine, key=lambda bid: (bid.lot, bid.submission_number))

    def blob(self, bid: SealedBid, name: str) -> Path:
        """The file of one blob; raises FolderInvalid for a name that the bid does not have."""
        path = self._folder.path / "bids" / bid.manifest_digest / name
        if name not in bid.blob_names or not path.is_file():
            raise FolderInvalid("the bid has no blob of that name", name=name[:64])
        return path

    def _write_state(self, bid: SealedBid) -> None:
        state: dict[str, Any] = {
            "tender": bid.tender,
            "lot": bid.lot,
            "submission_number": bid.submission_number,
            "blobs": list(bid.blob_names),
            "state": bid.state,
            "id": bid.id,
        }
        self._folder.write_json(f"bids/{bid.manifest_digest}/state.json", state)

    def _read(self, manifest_digest: str, state: dict[str, Any]) -> SealedBid:
        base = self._folder.path / "bids" / manifest_digest
        try:
            return SealedBid(
                tender=state["tender"],
                lot=state["lot"],
                submission_number=state["submission_number"],
                manifest=(base / "manifest.json").read_bytes(),
                seal=(base / "seal.p7s").read_bytes(),
                headers={kind: (base / f"header-{kind}.json").read_bytes() for kind in KINDS},
                blob_names=tuple(state["blobs"]),
                state=state["state"],
                id=state["id"],
            )
        except (OSError, KeyError) as error:
            raise FolderInvalid("a bid in the folder is not whole", manifest=manifest_digest) from error


def _remove_unheld(place: Path) -> None:
    """A folder that some process seals into is left alone; one that a crash left behind goes."""
    try:
        held = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(place, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(held)
