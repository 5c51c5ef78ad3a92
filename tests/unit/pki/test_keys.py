"""The key store: what it keeps comes back, and nothing opens without the passphrase or under another name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kernel.errors import Conflict, MalformedInput
from pki.errors import KeyUnavailable
from pki.keys import Cost, KeyStore
from tests.support.authority import make_key

CHEAP = Cost(iterations=1, lanes=1, memory_kib=64)


def _store(folder: Path, passphrase: str = "correct horse") -> KeyStore:
    return KeyStore(folder, passphrase, cost=CHEAP)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA", "Ed25519"])
def test_key_comes_back(tmp_path: Path, kind: str) -> None:
    """A key of each kind is the same after the store is opened again."""
    made = _store(tmp_path).create("seal", kind)
    assert _store(tmp_path).load("seal").public_key() == made.public_key()


def test_wrong_passphrase(tmp_path: Path) -> None:
    """Another passphrase does not open the store, nor does an empty one."""
    _store(tmp_path).create("seal")
    with pytest.raises(KeyUnavailable):
        _store(tmp_path, "wrong horse")
    with pytest.raises(MalformedInput):
        _store(tmp_path, "")


def test_files_are_sealed_and_private(tmp_path: Path) -> None:
    """Files are readable by their owner only, and hold neither key nor passphrase in the clear."""
    key = _store(tmp_path).create("seal")
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"horse" not in path.read_bytes()
        assert plain[-40:] not in path.read_bytes()


def test_swapped_files(tmp_path: Path) -> None:
    """A key file does not open under another key's name."""
    store = _store(tmp_path)
    store.create("one")
    store.create("two")
    (tmp_path / "two.key").write_bytes((tmp_path / "one.key").read_bytes())
    with pytest.raises(KeyUnavailable):
        store.load("two")
    assert store.load("one")


@pytest.mark.parametrize("position", [0, 12, 30, -1])
def test_altered_file(tmp_path: Path, position: int) -> None:
    """One changed bit anywhere makes a key file unusable."""
    store = _store(tmp_path)
    store.create("seal")
    data = bytearray((tmp_path / "seal.key").read_bytes())
    data[position] ^= 1
    (tmp_path / "seal.key").write_bytes(bytes(data))
    with pytest.raises(KeyUnavailable):
        store.load("seal")


def test_names(tmp_path: Path) -> None:
    """A name is taken once, names no path outside the folder, and is free again after deletion."""
    store = _store(tmp_path)
    first = store.create("seal")
    with pytest.raises(Conflict):
        store.create("seal")
    for name in ("../seal", "", ".hidden", "a/b"):
        with pytest.raises(MalformedInput):
            store.create(name)
    assert store.names() == ["seal"]
    store.delete("seal")
    assert not store.exists("seal")
    with pytest.raises(KeyUnavailable):
        store.load("seal")
    with pytest.raises(KeyUnavailable):
        store.delete("seal")
    assert store.create("seal").public_key() != first.public_key()


def test_unknown_kind(tmp_path: Path) -> None:
    """Only the accepted kinds of keys are made."""
    with pytest.raises(MalformedInput):
        _store(tmp_path).create("seal", "P-192")


@pytest.mark.parametrize(
    "damage",
    [{"salt": "zz"}, {"iterations": None}, {"memory_kib": 1 << 40}, {"iterations": 0}, {"check": ""}],
)
def test_damaged_settings(tmp_path: Path, damage: dict[str, object]) -> None:
    """Damaged settings are refused, also such as would exhaust the machine."""
    _store(tmp_path)
    path = tmp_path / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    with pytest.raises(KeyUnavailable):
        _store(tmp_path)


def test_cost_is_kept(tmp_path: Path) -> None:
    """The cost that a store was made with opens it, whatever the default of a later program is."""
    key = _store(tmp_path).create("seal")
    assert KeyStore(tmp_path, "correct horse").load("seal").public_key() == key.public_key()


def test_key_made_elsewhere(tmp_path: Path) -> None:
    """A key can be brought in."""
    key = make_key()
    _store(tmp_path).add("guest", key)
    assert _store(tmp_path).load("guest").public_key() == key.public_key()
