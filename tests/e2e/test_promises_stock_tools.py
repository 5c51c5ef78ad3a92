"""Promise 9: a third party needs only stock tools for each cryptographic step."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from app.demo.cast import SEATS
from app.demo.scripts import party_of_name
from client.folder import PartyFolder
from kernel.canonical import parse_canonical
from sealing import cms
from sealing.coins import Secrets
from sealing.context import EnvelopeContext
from tests.e2e.conftest import Played

MEMBER = 1


def openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, timeout=60, check=False)


def opened_submission(played: Played) -> Path:
    """A submission of the audit folder whose C was opened."""
    return next(path.parent for path in sorted(played.folder.glob("tenders/*/submissions/*/bid-C.json")))


def test_openssl_verifies_a_seal(played: Played, tmp_path: Path) -> None:
    """`openssl cms -verify -cades` takes a seal of the audit folder over its manifest, and refuses it over another."""
    place = opened_submission(played)
    root = tmp_path / "root.pem"
    root.write_text(json.loads(played.anchors.read_text())["root"], "ascii")
    changed = tmp_path / "changed.json"
    changed.write_bytes((place / "manifest.json").read_bytes().replace(b'"1"', b'"2"', 1))
    verify = ("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", place / "seal.p7s")
    trust = ("-CAfile", root, "-purpose", "any", "-out", tmp_path / "out", "-content")
    good = openssl(*verify, *trust, place / "manifest.json")
    assert good.returncode == 0, good.stderr
    assert openssl(*verify, *trust, changed).returncode != 0


def test_openssl_opens_a_share_with_its_members_key(played: Played, tmp_path: Path) -> None:
    """`openssl cms -decrypt` opens a member's share with that member's key files, and with nobody else's."""
    place = opened_submission(played)
    for member, fits in ((MEMBER, True), (MEMBER + 1, False)):
        folder = PartyFolder(played.stage.parties / party_of_name("IR", SEATS[member - 1][1]))
        out = tmp_path / f"{member}.json"
        done = openssl(
            *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", place / f"C.share-{MEMBER}.der"),
            *("-inkey", folder.path / "encryption.key.pem"),
            *("-recip", folder.path / "encryption.cert.pem", "-out", out),
        )
        assert (done.returncode == 0) is fits, done.stderr
    share = parse_canonical((tmp_path / f"{MEMBER}.json").read_bytes())
    header = parse_canonical((place / "header-C.json").read_bytes())
    assert share["index"] == MEMBER
    assert share["content_digest"] == header["content"]["digest"]
    assert share["context_digest"] == EnvelopeContext.from_json(header["context"]).digest().hex()


def test_openssl_opens_the_content_with_the_recovered_key(played: Played, tmp_path: Path) -> None:
    """With the secrets of the record `openssl cms -decrypt` gives the container, and `unzip` the bid; a key that
    is off by one bit gives neither."""
    place = opened_submission(played)
    record = parse_canonical((place.parent.parent / "openings" / "C" / "record.json").read_bytes())
    (result,) = (each for each in record["results"] if each["manifest_digest"] == place.name)
    header = parse_canonical((place / "header-C.json").read_bytes())
    secrets = Secrets(bytes.fromhex(result["member_secret"]), bytes.fromhex(result["custodian_secret"]))
    kek = secrets.kek(EnvelopeContext.from_json(header["context"]).digest())
    wrong = bytes([kek[0] ^ 1]) + kek[1:]
    container = tmp_path / "bid.asice"
    for key, fits in ((wrong, False), (kek, True)):
        done = openssl(
            *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", place / "C.content.der"),
            *("-content", place / "C.content.bin", "-secretkey", key.hex()),
            *("-secretkeyid", cms.KEK_IDENTIFIER.hex(), "-out", container),
        )
        assert (done.returncode == 0) is fits, done.stderr
    shutil.unpack_archive(container, tmp_path / "bid", format="zip")
    assert (tmp_path / "bid" / "bid.json").read_bytes() == (place / "bid-C.json").read_bytes()
