"""Our verdict on every published Merkle proof, good or tampered with, is the published one."""

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from transparency.tree import verify_consistency, verify_inclusion


def cases(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    found = sorted(folder.rglob("*.json"))
    assert len(found) == 98
    return [(str(path.relative_to(folder)), json.loads(path.read_bytes())) for path in found]


def decoded(text: str | None) -> bytes:
    return binascii.a2b_base64(text or "")


def path_of(case: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(step) for step in case["proof"] or []]


def test_every_inclusion_verdict_agrees(shared_data: Path) -> None:
    """transparency-dev/merkle: all inclusion proofs are accepted or refused as there."""
    wrong = [
        name
        for name, case in cases(shared_data / "merkle/testdata/inclusion")
        if verify_inclusion(
            decoded(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            path_of(case),
            decoded(case["root"]),
        )
        is case["wantErr"]
    ]

    assert wrong == []


def test_every_consistency_verdict_agrees(shared_data: Path) -> None:
    """transparency-dev/merkle: all consistency proofs are accepted or refused as there."""
    wrong = [
        name
        for name, case in cases(shared_data / "merkle/testdata/consistency")
        if verify_consistency(
            case["size1"], case["size2"], path_of(case), decoded(case["root1"]), decoded(case["root2"])
        )
        is case["wantErr"]
    ]

    assert wrong == []
