"""A transparency log in memory, with real signatures, proofs and cosignatures."""

from __future__ import annotations

from typing import Any

from kernel.canonical import canonical_bytes, to_base64
from kernel.clock import Clock, format_utc
from kernel.ids import new_id
from procurement.rules.events import Event
from transparency.notes import Checkpoint, NoteSigner, add_signatures, parse_signatures, sign_note
from transparency.proof import make_proof
from transparency.tree import MerkleTree, leaf_hash
from transparency.witness import Witness


class MemoryLog:
    """A log without storage: signs its tree and has it cosigned at once, at the time of ``clock``."""

    def __init__(
        self, clock: Clock, witness: Witness, signer: NoteSigner, witness_signer: NoteSigner
    ) -> None:
        self._clock, self.witness, self.signer = clock, witness, signer
        self.witness_signer = witness_signer
        self.tree = MerkleTree()
        self.entries: list[bytes] = []

    @property
    def vkey(self) -> str:
        return self.signer.vkey

    def append(self, entry: bytes) -> None:
        """Add an entry."""
        self.entries.append(entry)
        self.tree.append(leaf_hash(entry))

    def event(self, fact: type[Event], tender: str, data: dict[str, Any]) -> bytes:
        """Write and add the public event of that kind."""
        value = {
            "id": new_id(),
            "type": fact.type,
            "subject": tender,
            "time": format_utc(self._clock.now()),
            "sequence": len(self.entries) + 1,
            "data": {"tender": tender, **data},
        }
        entry = canonical_bytes(value)
        self.append(entry)
        return entry

    def proof(self, entry: bytes) -> dict[str, Any]:
        """The inclusion of an entry under a checkpoint of the present tree, cosigned now."""
        index = self.entries.index(entry)
        checkpoint = Checkpoint(self.signer.name, self.tree.size, self.tree.root())
        note = sign_note(checkpoint.text, self.signer)
        seen = self.witness.seen_size(self.signer.name)
        steps = self.tree.consistency(seen, self.tree.size)
        lines = [f"old {seen}", *(to_base64(step) for step in steps), "", note]
        cosigned = self.witness.add_checkpoint("\n".join(lines))
        return make_proof(self.tree, index, add_signatures(note, parse_signatures(cosigned)), self.tree.size)
