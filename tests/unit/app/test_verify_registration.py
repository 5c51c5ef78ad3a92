"""``mohr verify`` and a registration proof: what it says, its exit codes, and the same after years."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding

from app.cli import main
from kernel.clock import format_utc
from signing.ades.cades import refresh
from tests.support.authority import make_authority
from tests.support.registration_proofs import DOCUMENT, ProofWorld, make_proof_world


@pytest.fixture
def world(tmp_path: Path) -> ProofWorld:
    return make_proof_world(tmp_path)


@pytest.fixture
def place(tmp_path: Path, world: ProofWorld) -> Path:
    """A proof, the document, and a folder of what is trusted: the roots and anchors.json."""
    parts = world.parts()
    (tmp_path / "proof.p7m").write_bytes(world.proof(parts))
    (tmp_path / "revoked.p7m").write_bytes(world.proof(world.revoked(parts)))
    (tmp_path / "minutes.pdf").write_bytes(DOCUMENT)
    (tmp_path / "other.pdf").write_bytes(DOCUMENT + b"!")
    anchors = {
        "type": "mohr/anchors/v1",
        "root": world.authority.root.public_bytes(Encoding.PEM).decode(),
        "log": world.anchors.log,
        "witnesses": list(world.anchors.witnesses),
        "custodian": world.anchors.log,
        "demo": False,
    }
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "anchors.json").write_text(json.dumps(anchors))
    return tmp_path


def verify(place: Path, world: ProofWorld, *more: object, proof: str = "proof.p7m") -> Result:
    at = ("--at", format_utc(world.now + timedelta(minutes=1)))
    arguments = ("verify", place / proof, "--trust", place / "trust", *at, *more)
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_the_command_says_what_a_proof_proves(place: Path, world: ProofWorld) -> None:
    """Identifier, officer, state and times by words and as JSON; exit code 1 out of force and for another document."""
    said = verify(place, world, "--content", place / "minutes.pdf")
    assert (said.exit_code, "in force as of" in said.output) == (0, True), said.output
    said = verify(place, world, "--content", place / "minutes.pdf", proof="revoked.p7m")
    assert said.exit_code == 1, said.output
    for each in ("IR-0012345678", "REVOKED", "با اشتباه صادر شد", "byte for byte", "as entry 0"):
        assert each in said.output
    shown = verify(place, world, "--json", "--html", place / "seal.html", proof="revoked.p7m")
    answer = json.loads(shown.output)
    assert (answer["state"], answer["document_compared"]) == ("revoked", False)
    assert "<html" in (place / "seal.html").read_text()
    other = verify(place, world, "--content", place / "other.pdf")
    assert (other.exit_code, "does NOT prove" in other.output) == (1, True)
    assert (
        json.loads(verify(place, world, "--content", place / "other.pdf", "--json").output)["step"]
        == "document"
    )


def test_it_says_so_after_years_where_it_was_refreshed(place: Path, world: ProofWorld) -> None:
    """With --at long after everything expired the proof holds by its fresh stamp, and without that it does not."""
    world.clock.advance(timedelta(days=4 * 365))
    world.authorities.append(make_authority(clock=world.clock, name="Later"))
    proof = (place / "proof.p7m").read_bytes()
    fresh = refresh(proof, world.services(), at=world.now)
    world.clock.advance(timedelta(days=4 * 365))
    assert verify(place, world).exit_code == 1
    (place / "proof.p7m").write_bytes(fresh)
    for number, each in enumerate(world.authorities):
        (place / "trust" / f"{number}.pem").write_bytes(each.root.public_bytes(Encoding.PEM))
    # The newest stamp's own authority: no evidence inside can be about it yet.
    for number, crl in enumerate(world.authorities[-1].crls()):
        (place / "trust" / f"{number}.crl").write_bytes(crl)
    said = verify(place, world, "--content", place / "minutes.pdf")
    assert said.exit_code == 0, said.output
    assert f"proven to have existed at {format_utc(world.now - timedelta(days=8 * 365))}" in said.output


def test_whom_to_trust_must_be_said(place: Path, world: ProofWorld) -> None:
    """Without the keys of log and witnesses nothing is proven, and that is wrong use."""
    (place / "trust" / "anchors.json").unlink()
    (place / "trust" / "root.pem").write_bytes(world.authority.root.public_bytes(Encoding.PEM))
    said = verify(place, world)
    assert (said.exit_code, "anchors.json" in said.output) == (2, True)
