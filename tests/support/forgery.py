"""What a forger does to an audit folder with the keys that he holds; all of it on a copy."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.bootstrap import LOG_KEY
from app.settings import load_settings
from app.witness_setup import witness_settings
from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex, to_base64
from kernel.clock import parse_utc
from pki.installation import Authority, open_authority
from pki.keys import KeyStore
from signing.cms import Signer, sign_detached
from transparency.notes import (
    Checkpoint,
    NoteSigner,
    add_signatures,
    cosign,
    parse_signatures,
    sign_note,
    split_note,
)
from transparency.proof import make_proof
from transparency.tree import MerkleTree, leaf_hash

Json = dict[str, Any]
_KINDS = (
    (re.compile(r"[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"ocds-[a-z0-9]{6}-[0-9a-f-]+"), "<ocid>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\.IRO-\d+-RECEIPT\.p7s"), ".<server>.p7s"),
    (re.compile(r"IRO?-[0-9A-Z-]+"), "<party>"),
    (re.compile(r"/openings/[ABC]/"), "/openings/<stage>/"),
    (re.compile(r"/[ABC]\."), "/<kind>."),
    (re.compile(r"(header|bid)-[ABC]"), r"\1-<kind>"),
    (re.compile(r"/\d+\.(json|crl)"), r"/<n>.\1"),
    (re.compile(r"share-[1-9]\d*"), "share-<n>"),
)


def kind_of(path: str) -> str:
    """The path with every name taken out: files of one kind have the same."""
    for pattern, name in _KINDS:
        path = pattern.sub(name, path)
    return path


def paths_by_kind(folder: Path) -> dict[str, list[str]]:
    """Every file of an audit folder, grouped; each group sorted."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            relative = path.relative_to(folder).as_posix()
            found[kind_of(relative)].append(relative)
    return dict(found)


@dataclass(frozen=True)
class ServerKeys:
    """All that the operator of the server holds; ``witness`` and ``journal`` only if their holders collude."""

    authority: Authority
    log: NoteSigner
    witness: NoteSigner
    journal: NoteSigner
    custodian_url: str
    custodian_token: str

    @classmethod
    def of(cls, installation: Path) -> ServerKeys:
        """Read from the folders where an operator would find them."""
        settings = load_settings(installation)
        passphrase = (installation / "secrets" / "passphrase").read_text("ascii").strip()
        witness, custodian = installation / "witness", installation / "custodian"
        custodian_settings = json.loads((custodian / "custodian.json").read_bytes())
        return cls(
            open_authority(installation / "authority", passphrase),
            _note_signer(settings.log.origin, installation / "keys", passphrase, LOG_KEY),
            _note_signer(witness_settings(witness)["name"], witness / "keys", _secret(witness), "witness"),
            _note_signer(custodian_settings["origin"], custodian / "keys", _secret(custodian), "journal"),
            settings.custodian.url,
            (installation / "secrets" / "custodian.token").read_text("ascii").strip(),
        )

    @property
    def receipt(self) -> Signer:
        """The key under closing lists, records, receipts and bundles."""
        return self.authority.receipt

    def checkpoint(self, entries: list[bytes], at: datetime | None, log: NoteSigner | None = None) -> str:
        """A checkpoint over the entries; with ``at`` a colluding witness cosigns it for that time."""
        signer = log or self.log
        tree = MerkleTree([leaf_hash(entry) for entry in entries])
        note = sign_note(Checkpoint(signer.name, tree.size, tree.root()).text, signer)
        if at is None:
            return note
        line = cosign(split_note(note)[0], self.witness, int(at.timestamp()))
        return add_signatures(note, parse_signatures(line))

    def proof(self, entry: bytes, at: datetime) -> Json:
        """A proof of an entry in a log that exists for nobody else, cosigned for ``at`` by a colluding witness."""
        return make_proof(MerkleTree([leaf_hash(entry)]), 0, self.checkpoint([entry], at), 1)


def _secret(folder: Path) -> str:
    return (folder / "passphrase").read_text("ascii").strip()


def _note_signer(name: str, keys: Path, passphrase: str, key: str) -> NoteSigner:
    loaded: Any = KeyStore(keys, passphrase).load(key)
    return NoteSigner(name, loaded)


class Forged:
    """A copy of an audit folder in the hands of somebody who holds ``keys``."""

    def __init__(self, original: Path, copy: Path, keys: ServerKeys) -> None:
        shutil.copytree(original, copy)
        self.root, self.keys = copy, keys
        self._original = {path: self.read(path) for path in self.paths()}

    def paths(self) -> list[str]:
        """Every file, sorted."""
        skipped = len(f"{self.root}/")
        return sorted(
            f"{folder}/{name}"[skipped:] for folder, _, names in os.walk(self.root) for name in names
        )

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def document(self, path: str) -> Json:
        return parse_canonical(self.read(path), max_bytes=64 << 20)

    def restore(self) -> None:
        """The original again."""
        before = set(self._original)
        for path in set(self.paths()) - before:
            (self.root / path).unlink()
        for path, data in self._original.items():
            target = self.root / path
            if not target.exists() or target.read_bytes() != data:
                self.write(path, data)
        self._prune()

    def change(self, path: str, how: Callable[[Json], None], *, sign: bool = True) -> None:
        """Alter a document, and every digest of it that stands anywhere beside the logs."""
        value = self.document(path)
        how(value)
        self.put(path, canonical_bytes(value), sign=sign)

    def put(self, path: str, data: bytes, *, sign: bool = True) -> None:
        """Replace a file; documents that name its digest are changed with it and signed anew where possible."""
        old = sha256_hex(self.read(path))
        self.write(path, data)
        if sign:
            self.sign(path)
        names, replaced = self.paths(), {old: sha256_hex(data)}
        texts = {each: self.read(each) for each in names if _names_digests(each)}
        while replaced:
            was, now = replaced.popitem()
            for each, text in texts.items():
                if was.encode() in text:
                    texts[each] = text.replace(was.encode(), now.encode())
                    self.write(each, texts[each])
                    self.sign(each)
                    replaced[sha256_hex(text)] = sha256_hex(texts[each])
            for each in names:
                if was in each:
                    target = self.root / each.replace(was, now)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (self.root / each).rename(target)
            names = sorted({each.replace(was, now) for each in names})
            texts = {each.replace(was, now): text for each, text in texts.items()}
        self._prune()

    def seal(self) -> None:
        """bundle.json over what is there now, signed with the server's receipt key."""
        party = self.keys.receipt.party
        bundle = self.document("bundle.json")
        own = {"bundle.json", f"bundle.json.{party}.p7s"}
        bundle["files"] = [
            {"path": path, "length": len(self.read(path)), "digest": sha256_hex(self.read(path))}
            for path in self.paths()
            if path not in own
        ]
        self.write("bundle.json", canonical_bytes(bundle))
        self.sign("bundle.json", at=parse_utc(bundle["exported_at"]))

    def entries(self, place: str = "log") -> list[bytes]:
        """The entries of a log of the folder."""
        return [base64.b64decode(line) for line in self.read(f"{place}/entries.jsonl").split()]

    def put_entries(
        self, entries: list[bytes], at: datetime | None, place: str = "log", signer: NoteSigner | None = None
    ) -> None:
        """Another log with a checkpoint over it, cosigned for ``at`` if the witness colludes."""
        self.write(f"{place}/entries.jsonl", "".join(f"{to_base64(each)}\n" for each in entries).encode())
        self.write(f"{place}/checkpoint", self.keys.checkpoint(entries, at, signer).encode())

    def _prune(self) -> None:
        """No folder stays behind whose files went elsewhere."""
        for folder, _, names in os.walk(self.root, topdown=False):
            if not names and not os.listdir(folder):
                os.rmdir(folder)

    def sign(self, path: str, *, at: datetime | None = None) -> None:
        """The server's own signature again, where there is one."""
        signature = f"{path}.{self.keys.receipt.party}.p7s"
        if (self.root / signature).exists():
            made = sign_detached(self.read(path), self.keys.receipt, at=at or _time_of(self.document(path)))
            self.write(signature, made)


def _names_digests(path: str) -> bool:
    return path.startswith("tenders/") and path.endswith(".json")


def _time_of(document: Mapping[str, Any]) -> datetime:
    times = ("closed_at", "recorded_at", "returned_at", "received_at", "exported_at")
    return parse_utc(next(document[name] for name in times if name in document))


def flipped(data: bytes, position: int) -> bytes:
    """One bit at that position is another one."""
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def cosigned_at(note: str) -> datetime:
    """The time at which the witness cosigned a note."""
    times = [int.from_bytes(each.value[:8], "big") for each in split_note(note)[1] if len(each.value) == 72]
    return datetime.fromtimestamp(min(times), UTC)
