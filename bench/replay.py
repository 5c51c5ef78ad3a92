"""The whole replay, ``mohr demo --json``, against the cryptography that it cannot do without.

What is counted, for a commission of 5 key holders of whom 3 sit, and a custodian, with every bid opened to the end:

made      for a tender: 6 on the key set, notice, closing list, key destruction, 2 on the award; for each of A, B and C
          3 attendances, session, 3 batches, release, 4 on the record; 4 on the two decisions.
          for a submission: 3 containers, seal, time stamp, receipt, the bidder's certificate.
judged    for a tender: each of those once by the server, each of 3 members, and the custodian.
          for a submission: seal and stamp by client and server, and for A, B and C by each of 3 members and the
          custodian; the receipt by its client; 3 containers by the server.
agreed    for each envelope: 6 sealed, 4 opened, 6 rebuilt.
AES-GCM   for each envelope: the container sealed, opened, rebuilt, and 16 shares.

Logins, checkpoints and cosignatures, whose number depends on the time that passes, are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.figure import Figure
from bench.primitives import SHARE_BYTES, Bare

PUBLISHED = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "public-works-tenders.json"
_MADE_PER_TENDER = 6 + 1 + 1 + 1 + 2 + 3 * (3 + 1 + 3 + 1 + 4) + 4
_MADE_PER_BID = 3 + 1 + 1 + 1 + 1
_JUDGES = 5
_JUDGED_PER_BID = 2 * (1 + 1 + 3 * 4) + 1 + 3
_AGREED_PER_BID = 3 * (6 + 4 + 6)
# The floors of the demo's notices for A, B and C.
_CONTAINERS = (8192, 8192, 16384)


def replay_figure(rounds: int, *, quick: bool) -> Figure:
    """demo.replay, over the published tenders where they are at hand."""
    file = PUBLISHED if PUBLISHED.is_file() and not quick else None
    tenders, bids = _size(file)
    what = f"{tenders} published tenders" if file else f"our own {tenders} tenders"
    bare = Bare()
    return Figure(
        "demo.replay",
        f"bare: {_made(tenders, bids)} signatures, {_judged(tenders, bids)} verified, {bids * _AGREED_PER_BID} "
        f"ECDH, AES-GCM of {3 * bids} envelopes three times ({what}, {bids} submissions)",
        prepare=lambda number: None,
        measured=lambda given: _play(file),
        bare=lambda given: _bare(bare, tenders, bids),
        rounds=rounds,
    )


def _play(file: Path | None) -> None:
    command = [sys.executable, "-m", "app.cli", "demo", "--json"]
    done = subprocess.run(
        command + (["--tenders", str(file)] if file else []), capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["agree"] == told["tenders"]


def _size(file: Path | None) -> tuple[int, int]:
    """Tenders and submissions; a bid of ours that is replaced is two."""
    if file is None:
        from app.demo.scripts import own_scripts

        scripts = own_scripts()
        return len(scripts), sum(2 if bid.replaces_first else 1 for each in scripts for bid in each.bids)
    tenders = json.loads(file.read_text("utf-8"))["tenders"]
    return len(tenders), sum(len(tender["bids"]) for tender in tenders)


def _made(tenders: int, bids: int) -> int:
    return tenders * _MADE_PER_TENDER + bids * _MADE_PER_BID


def _judged(tenders: int, bids: int) -> int:
    return tenders * _MADE_PER_TENDER * _JUDGES + bids * _JUDGED_PER_BID


def _bare(bare: Bare, tenders: int, bids: int) -> None:
    bare.sign(_made(tenders, bids))
    bare.verify(_judged(tenders, bids))
    bare.agree(bids * _AGREED_PER_BID)
    for length in _CONTAINERS:
        bare.encrypt(bytes(length), 3 * bids)
    bare.encrypt(bytes(SHARE_BYTES), bids * _AGREED_PER_BID)
