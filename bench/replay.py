"""The whole replay, ``mohr demo --json``, against the cryptography that it does.

What is counted, in every process of the replay while it runs (bench/tally): signatures made and verified over documents
and time stamps, key agreements for shares sealed, opened and rebuilt, and the content enciphered and deciphered, with
its length. The baseline does the same number of each, bare, one after the other. Not counted are the signatures on
certificates, which a library verifies once for each, the log's checkpoints and cosignatures, and all hashing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench.figure import Figure
from bench.primitives import SHARE_BYTES, Bare

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT.parent / "shared" / "data" / "public-works-tenders.json"


class Replay:
    """Plays, and remembers what the play did."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._bare = Bare()
        self.done: Counter[str] = Counter()
        self.tenders = self.bids = 0

    def play(self) -> None:
        """From an empty folder to every winner, in processes of their own; all must be as published."""
        with tempfile.TemporaryDirectory(prefix="mohr-tally-") as folder:
            command = [sys.executable, "-m", "app.cli", "demo", "--json"]
            tally = {"MOHR_BENCH_TALLY": folder, "PYTHONPATH": str(ROOT / "bench" / "tally")}
            played = subprocess.run(
                command + (["--tenders", str(self._file)] if self._file else []),
                cwd=ROOT,
                env={**os.environ, **tally},
                capture_output=True,
                text=True,
                check=True,
            )
            told = json.loads(played.stdout.splitlines()[-1])
            assert told["agree"] == told["tenders"]
            self.tenders, self.bids = told["tenders"], told["bids"]
            self.done = counted_in(Path(folder))

    def bare(self) -> None:
        """As many of each as the last play did."""
        self._bare.sign(self.done["signed"])
        self._bare.verify(self.done["verified"])
        self._bare.agree(self.done["agreed"])
        self._bare.encrypt(bytes(SHARE_BYTES), self.done["agreed"])
        if self.done["contents"]:
            length = self.done["content_bytes"] // self.done["contents"]
            self._bare.encrypt(bytes(length), self.done["contents"])

    def said(self) -> str:
        """What the baseline is, in words."""
        done = self.done
        return (
            f"bare: {done['signed']} signatures, {done['verified']} verified, {done['agreed']} ECDH and AES-GCM of "
            f"shares, AES-GCM of {done['contents']} contents of {done['content_bytes']} bytes together "
            f"({self.tenders} {'published' if self._file else 'own'} tenders, {self.bids} bids)"
        )


def replay_figure(rounds: int, *, quick: bool) -> Figure:
    """demo.replay, over the published tenders where they are at hand."""
    replay = Replay(PUBLISHED if PUBLISHED.is_file() and not quick else None)
    return Figure(
        "demo.replay",
        replay.said,
        prepare=lambda number: None,
        measured=lambda given: replay.play(),
        bare=lambda given: replay.bare(),
        rounds=rounds,
    )


def counted_in(folder: Path) -> Counter[str]:
    """What all processes counted."""
    together: Counter[str] = Counter()
    for path in folder.glob("*.json"):
        together.update(json.loads(path.read_text("ascii")))
    return together
