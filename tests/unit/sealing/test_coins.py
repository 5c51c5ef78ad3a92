"""Coins: everything random in an envelope follows from its two secrets and from nothing less."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from sealing.coins import Secrets
from tests.support.openssl import run_openssl

SECRETS = Secrets(bytes(range(32)), bytes(range(32, 64)))


def openssl_hkdf(folder: Path, info: bytes, length: int, salt: bytes = b"") -> bytes:
    options = ["digest:SHA256", f"hexkey:{bytes(range(64)).hex()}", f"hexinfo:{info.hex()}"]
    options += [f"hexsalt:{salt.hex()}"] if salt else []
    arguments = [part for option in options for part in ("-kdfopt", option)]
    good, said = run_openssl(folder, "kdf", "-keylen", str(length), *arguments, "HKDF")
    assert good, said
    return bytes.fromhex(said.strip().replace(":", ""))


@pytest.mark.parametrize(
    ("made", "label"),
    [
        (SECRETS.key("content"), b"content key"),
        (SECRETS.nonce("content"), b"content nonce"),
        (SECRETS.blinding("share-3"), b"share-3 blinding"),
    ],
)
def test_coins_are_those_of_openssl(tmp_path: Path, made: bytes, label: bytes) -> None:
    """HKDF-SHA256 as the format states it: OpenSSL derives the same bytes."""
    assert made == openssl_hkdf(tmp_path, b"mohr coins v1" + label, len(made))


def test_the_wrapping_key_is_that_of_openssl(tmp_path: Path) -> None:
    """The key that wraps the content key is bound to the context by the salt."""
    digest = bytes([7]) * 32

    assert SECRETS.kek(digest) == openssl_hkdf(tmp_path, b"mohr kek v1", 32, digest)
    assert SECRETS.kek(digest) != SECRETS.kek(bytes(32))


def test_an_ephemeral_key_is_a_reduced_coin(tmp_path: Path) -> None:
    """The scalar is 48 derived bytes modulo the order less one, plus one: never zero, hardly biased."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    coin = int.from_bytes(openssl_hkdf(tmp_path, b"mohr coins v1share-1 ephemeral", 48), "big")
    key = SECRETS.ephemeral("share-1")

    assert isinstance(key.curve, ec.SECP256R1)
    assert key.private_numbers().private_value == coin % (order - 1) + 1


def test_every_use_has_coins_of_its_own() -> None:
    """No two uses share a key, nonce, blinding or scalar."""
    labels = ["content", *(f"share-{index}" for index in range(33))]
    made = [
        value
        for label in labels
        for value in (
            SECRETS.key(label),
            SECRETS.nonce(label),
            SECRETS.blinding(label),
            SECRETS.ephemeral(label).private_numbers().private_value,
        )
    ]

    assert len(set(made)) == len(made)


@pytest.mark.parametrize("other", [Secrets(bytes(32), SECRETS.custodian), Secrets(SECRETS.member, bytes(32))])
def test_both_halves_are_needed(other: Secrets) -> None:
    """Whoever lacks either the members' secret or the custodian's derives nothing of the envelope."""
    assert other.key("content") != SECRETS.key("content")
    assert other.kek(bytes(32)) != SECRETS.kek(bytes(32))


def test_secrets_do_not_show_themselves() -> None:
    """A secret in a traceback or a log line is not legible."""
    assert repr(SECRETS) == "Secrets()"
