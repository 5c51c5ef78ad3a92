"""``mohr sign``: keys of every kind, two steps with a key elsewhere, and nothing overwritten or half done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from app.cli import main
from app.sign_commands.files import writing
from kernel.canonical import sha256_hex
from kernel.errors import Conflict
from pki.authority import pem_of
from pki.profiles import PERSON_SIGNING
from pki.signed_data import Signer
from pki.tokens import TokenKeys
from tests.support.authority import START, MemoryAuthority, make_authority
from tests.support.openssl import run_openssl, write_trust
from tests.support.softhsm import MODULE, softhsm

PASSPHRASE = b"open this key"


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture(scope="module")
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-1", "Zahra Moradi")


@pytest.fixture
def place(tmp_path: Path, authority: MemoryAuthority, signer: Signer) -> Path:
    """A folder with a document, the locked key, its certificate and what is above it."""
    locked = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE))
    (tmp_path / "key.pem").write_bytes(locked)
    (tmp_path / "own.pem").write_bytes(pem_of([signer.certificate]))
    (tmp_path / "chain.pem").write_bytes(pem_of(list(signer.chain)))
    (tmp_path / "passphrase").write_bytes(PASSPHRASE + b"\n")
    (tmp_path / "deed.txt").write_bytes(b"what is agreed")
    write_trust(tmp_path, authority)
    return tmp_path


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env=environment)


def key_of(place: Path) -> list[object]:
    return [
        *("--key", place / "key.pem", "--certificate", place / "own.pem", "--chain", place / "chain.pem"),
        *("--passphrase-file", place / "passphrase"),
    ]


def accepted_by_openssl(place: Path, signature: str, *content: str) -> None:
    done, told = run_openssl(
        place,
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", signature, *content, "-out", "read"),
        *("-CAfile", "root.pem", "-purpose", "any", "-attime", str(int(START.timestamp()))),
    )
    assert done, told
    assert (place / "read").read_bytes() == (place / "deed.txt").read_bytes()


def test_a_file_is_signed_beside_it_and_around_it(place: Path) -> None:
    """OpenSSL accepts both forms from a locked PEM key."""
    beside = run("sign", "file", place / "deed.txt", *key_of(place), "--json")
    around = run("sign", "file", place / "deed.txt", *key_of(place), "--enveloping")

    assert (beside.exit_code, around.exit_code) == (0, 0), beside.output + around.output
    answer = json.loads(beside.stdout)
    assert (answer["party"], answer["level"]) == ("IR-1", "B-B")
    accepted_by_openssl(place, "deed.txt.p7s", "-content", "deed.txt")
    accepted_by_openssl(place, "deed.txt.p7m")


def test_nothing_is_overwritten_unasked(place: Path) -> None:
    """A file that is there stays as it is, unless --force; no other file is left behind."""
    (place / "deed.txt.p7s").write_bytes(b"precious")
    before = sorted(each.name for each in place.iterdir())

    refused = run("sign", "file", place / "deed.txt", *key_of(place))
    assert (refused.exit_code, (place / "deed.txt.p7s").read_bytes()) == (2, b"precious")
    assert refused.stderr.startswith("Error: conflict: ")
    forced = run("sign", "file", place / "deed.txt", *key_of(place), "--force")

    assert forced.exit_code == 0
    accepted_by_openssl(place, "deed.txt.p7s", "-content", "deed.txt")
    assert {each.name for each in place.iterdir()} == {*before, "read"}


def test_a_pkcs12_file_opens_with_the_passphrase_of_the_environment(place: Path, signer: Signer) -> None:
    """Key, certificate and chain come out of one file; a wrong passphrase or none is a line and exit code 2."""
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    (place / "key.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"key", signer.key, signer.certificate, list(signer.chain), BestAvailableEncryption(PASSPHRASE)
        )
    )
    arguments = ("sign", "file", place / "deed.txt", "--key", place / "key.p12")

    wrong = run(*arguments, MOHR_KEY_PASSPHRASE="something else")
    none = run(*arguments)
    right = run(*arguments, MOHR_KEY_PASSPHRASE=PASSPHRASE.decode())

    assert (wrong.exit_code, none.exit_code, right.exit_code) == (2, 2, 0), right.output
    assert "does not open with that passphrase" in wrong.stderr
    assert "--passphrase-file" in none.stderr
    accepted_by_openssl(place, "deed.txt.p7s", "-content", "deed.txt")


def test_a_key_in_a_token_signs(place: Path, authority: MemoryAuthority, tmp_path: Path) -> None:
    """A key that never leaves a PKCS #11 token signs a file; OpenSSL accepts it."""
    with softhsm(tmp_path / "token") as token:
        keys = TokenKeys(MODULE, token.label, token.pin)
        try:
            certificate = authority.certify(keys.create("zahra"), PERSON_SIGNING, "IR-1", "Zahra Moradi")
        finally:
            keys.close()
        (place / "token.pem").write_bytes(pem_of([certificate]))
        done = run(
            *("sign", "file", place / "deed.txt", "--key", "zahra", "--pkcs11-module", MODULE),
            *("--pkcs11-token", token.label, "--certificate", place / "token.pem"),
            *("--chain", place / "chain.pem"),
            MOHR_PKCS11_PIN=token.pin,
        )

    assert done.exit_code == 0, done.output
    accepted_by_openssl(place, "deed.txt.p7s", "-content", "deed.txt")


def test_two_steps_in_processes_of_their_own(place: Path, signer: Signer) -> None:
    """What is prepared by one process and signed by the OpenSSL command is completed by another process."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "app.cli", "sign", "prepare", "deed.txt", "--format", "file"),
            *("--certificate", "own.pem", "--chain", "chain.pem", "--out", "deed.state", "--json"),
            *("--to-sign", "digest"),
        ],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    answer = json.loads(done.stdout)
    (document,) = answer["documents"]
    assert document == {"name": "deed.txt", "size": 14, "sha256": sha256_hex(b"what is agreed")}
    assert answer["digest_algorithm"] == "sha256"
    assert (place / "digest").read_bytes() == bytes.fromhex(answer["digest"])
    told = run_openssl(
        place,
        *("pkeyutl", "-sign", "-inkey", "key.pem", "-passin", "file:passphrase", "-in", "digest"),
        *("-pkeyopt", "digest:sha256", "-out", "value"),
    )
    assert told[0], told
    (place / "wrong").write_bytes((place / "value").read_bytes()[:-1] + b"\0")

    state, out = place / "deed.state", place / "deed.p7s"
    refused = run("sign", "complete", state, "--signature", place / "wrong", "--out", out)
    assert (refused.exit_code, out.exists()) == (2, False)
    assert "signature-invalid" in refused.stderr
    completed = run("sign", "complete", state, "--signature", place / "value", "--out", out)
    assert completed.exit_code == 0, completed.output
    accepted_by_openssl(place, "deed.p7s", "-content", "deed.txt")
    again = run("sign", "complete", state, "--signature", place / "value", "--out", place / "again.p7s")
    assert (again.exit_code, (place / "again.p7s").exists()) == (2, False)
    assert (
        f"prepared-completed: the document has its signature already sha256={sha256_hex(out.read_bytes())}"
        in (again.stderr)
    )


def test_a_state_that_is_over_is_not_completed(place: Path) -> None:
    """After its minutes a state is refused, by the installation's clock."""
    (place / "clock").write_text("0\n")
    clock = {"MOHR_DEMO_CLOCK": str(place / "clock")}
    state = place / "deed.state"
    prepared = run(
        *("sign", "prepare", place / "deed.txt", "--format", "file", "--minutes", 5, "--out", state),
        *("--certificate", place / "own.pem"),
        **clock,
    )
    assert prepared.exit_code == 0, prepared.output
    (place / "clock").write_text("301\n")
    (place / "value").write_bytes(b"any")

    refused = run(
        *("sign", "complete", state, "--signature", place / "value", "--out", place / "out"), **clock
    )
    assert (refused.exit_code, (place / "out").exists()) == (2, False)
    assert "prepared-expired" in refused.stderr


def test_a_level_without_services_says_what_is_missing(place: Path) -> None:
    """Nothing is written without a time-stamping service for the level; the options that name one are told."""
    refused = run("sign", "file", place / "deed.txt", *key_of(place), "--level", "B-T")

    assert (refused.exit_code, (place / "deed.txt.p7s").exists()) == (2, False)
    assert "signature-level-unreachable" in refused.stderr
    assert "--tsa URL, or --folder INSTALLATION" in refused.stderr


def test_a_key_that_cannot_sign_says_why(place: Path, authority: MemoryAuthority) -> None:
    """A certificate of another key, a folder of no party, and a file that is no state are told apart."""
    (place / "other.pem").write_bytes(pem_of([authority.intermediate]))
    locked = ["--key", place / "key.pem", "--passphrase-file", place / "passphrase"]
    (place / "digits").write_bytes(b"%PDF-1.7\n")
    for arguments, told in (
        (("file", place / "deed.txt", *locked, "--certificate", place / "other.pem"), "none is of this key"),
        (("file", place / "deed.txt", "--key", place), "no party's"),
        (
            ("complete", place / "digits", "--signature", place / "deed.txt", "--out", place / "out"),
            "no prepared document",
        ),
    ):
        refused = run("sign", *arguments)
        assert (refused.exit_code, told in refused.stderr) == (2, True), refused.stderr


def test_what_is_read_is_never_written_over(place: Path) -> None:
    """Not even with --force: the file beside a signature, the state of two steps, or what is verified."""
    deed, key = place / "deed.txt", key_of(place)
    prepared = run(
        *("sign", "prepare", deed, "--format", "file", "--certificate", place / "own.pem"),
        *("--chain", place / "chain.pem", "--out", place / "deed.state"),
    )
    assert prepared.exit_code == 0, prepared.output
    before = {each.name: each.read_bytes() for each in place.iterdir()}

    for arguments in (
        ("sign", "file", deed, *key, "--out", deed),
        ("sign", "asice", deed, *key, "--out", deed),
        ("sign", "prepare", deed, "--format", "file", "--certificate", place / "own.pem", "--out", deed),
        ("sign", "complete", place / "deed.state", "--signature", deed, "--out", place / "deed.state"),
        ("sign", "complete", place / "deed.state", "--signature", deed, "--out", deed),
        ("verify", deed, "--trust", place, "--html", deed),
        ("verify", deed, "--trust", place, "--content", place / "own.pem", "--xml", place / "own.pem"),
    ):
        refused = run(*arguments, "--force")
        assert (refused.exit_code, "conflict: it would be written over" in refused.stderr) == (2, True), (
            arguments
        )
    assert {each.name: each.read_bytes() for each in place.iterdir()} == before


def test_a_place_that_takes_no_file_is_wrong_use(place: Path) -> None:
    """A name that is too long, a folder that takes none, and what is no plain file are told in a line, and stay."""
    os.mkfifo(place / "pipe")
    for out in (place / ("n" * 300), Path("/proc/deed.p7s"), place / "pipe"):
        refused = run("sign", "file", place / "deed.txt", *key_of(place), "--force", "--out", out)
        assert (refused.exit_code, refused.stderr[:7]) == (2, "Error: "), (out, refused.output)
    assert (place / "pipe").is_fifo()
    longest = place / ("ن" * 125 + ".p7s")
    assert run("sign", "file", place / "deed.txt", *key_of(place), "--out", longest).exit_code == 0
    assert longest.is_file()
    assert not [each for each in place.iterdir() if each.name.endswith(".staged")]


def test_no_name_moves_the_cursor(place: Path, signer: Signer) -> None:
    """Names of certificates and files, and refusals that repeat them, come without control characters and with the
    non-joiner of Persian spelling."""
    called = x509.NameAttribute(x509.NameOID.COMMON_NAME, "مهر\u200cگان \x1b[2J\u202e\x9b1m")
    own, name = signer.certificate, x509.Name([called])
    built = x509.CertificateBuilder(name, name, own.public_key(), 1, START, START + timedelta(days=1))
    (place / "odd.pem").write_bytes(pem_of([built.sign(signer.key, hashes.SHA256())]))
    (place / "odd \x1b[31m.txt").write_bytes(b"odd")
    told = run(
        *("sign", "prepare", place / "deed.txt", "--format", "file", "--certificate", place / "odd.pem"),
        *("--out", place / "odd.state"),
    )
    refused = run("sign", "file", place / "odd \x1b[31m.txt", *key_of(place), "--out", place / "no\x9b/x")

    assert (told.exit_code, refused.exit_code) == (0, 2)
    assert "signer: مهر\u200cگان" in told.stdout
    for each in (told.output, refused.output):
        assert not set("\x1b\x9b\u202e") & set(each), each


def test_who_was_first_keeps_the_place(place: Path) -> None:
    """A file that somebody else puts there while ours is being made stays as it is."""
    target = place / "made"

    def make() -> None:
        with writing(target, force=False) as file:
            file.write(b"ours")
            target.write_bytes(b"theirs")

    with pytest.raises(Conflict):
        make()
    assert target.read_bytes() == b"theirs"


def test_a_certificate_of_another_key_is_not_taken(place: Path) -> None:
    """The certificate that is named has to be that of the key, or nothing is signed."""
    key = ["--key", place / "key.pem", "--passphrase-file", place / "passphrase"]
    refused = run("sign", "file", place / "deed.txt", *key, "--certificate", place / "chain.pem")

    assert (refused.exit_code, "certificate of the key is missing" in refused.stderr) == (2, True)
    assert not (place / "deed.txt.p7s").exists()
