"""A bidder's machine, or an auditor's: one step in a process of its own, which says how much memory it took.

python -m tests.support.large_client submit PARTY_FOLDER CLOCK_FILE TENDER LOT FILE CONTENTS
python -m tests.support.large_client audit FOLDER ANCHORS
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from audit.auditor import audit
from client.bidder import Bidder, listed_files
from client.folder import PartyFolder
from client.login import open_api
from client.session import PartySession
from kernel.clock import DemoClock
from tests.support.memory import forget_peak, peak_bytes


def main(command: str, *arguments: str) -> None:
    """Run the step; the answer is one line of JSON."""
    steps: dict[str, Callable[..., dict[str, Any]]] = {"submit": submit, "audit": audited}
    print(json.dumps(steps[command](*arguments)))


def submit(folder: str, clock: str, tender: str, lot: str, file: str, contents: str) -> dict[str, Any]:
    """Seal a bid whose B holds the file and submit it; idle is a client that has checked the call."""
    party = PartyFolder(Path(folder))
    with closing(open_api(party, DemoClock(Path(clock)))) as api:
        bidder = Bidder(PartySession(party, api, DemoClock(Path(clock))))
        bidder.check_tender(tender)
        idle = forget_peak()
        files = {Path(file).name: Path(file)}
        parts = json.loads(contents)
        parts["B"]["files"] = listed_files(files)
        bid = bidder.prepare_bid(tender, lot, parts, files={"B": files})
        sealed = peak_bytes()
        bidder.submit(bid)
        return {
            "manifest_digest": bid.manifest_digest,
            "sealing": sealed - idle,
            "submitting": peak_bytes() - idle,
        }


def audited(folder: str, anchors: str) -> dict[str, Any]:
    """Audit a folder; idle is an auditor that has everything loaded."""
    idle = forget_peak()
    report = audit(Path(folder), Path(anchors).read_bytes(), [])
    findings = [(check.about, f"{check.name}: {check.detail}") for check in report.checks if not check.ok]
    return {
        "auditing": peak_bytes() - idle,
        "audited": sorted({check.about for check in report.checks}),
        "findings": findings,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
