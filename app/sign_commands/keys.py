"""The key to sign with: a party's folder, a PKCS #12 or PEM file, or a key in a PKCS #11 token."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12

from app.authority_keys import PIN_VARIABLE
from kernel.errors import MalformedInput, NotFound
from pki.algorithms import AlgorithmRefused, PrivateKey, key_kind
from pki.signed_data import Signer

PASSPHRASE_VARIABLE = "MOHR_KEY_PASSPHRASE"
MAX_KEY_BYTES = 1 << 20
MAX_CERTIFICATES = 10
_KINDS = (
    "documents are signed with ECDSA on P-256 or P-384, RSA from 2048 bits, or Ed25519; this key is another"
)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """What the options of a command named."""

    key: str | None
    certificate: Path | None
    chain: Path | None
    passphrase_file: Path | None
    module: str | None
    token: str | None
    pin_file: Path | None


def key_options(command: Any) -> Any:
    """``--key`` and what goes with it; the command is handed one ``key`` of type KeyChoice."""

    def gathered(**values: Any) -> Any:
        choice = KeyChoice(
            values.pop("key_name"),
            values.pop("certificate"),
            values.pop("chain"),
            values.pop("passphrase_file"),
            values.pop("pkcs11_module"),
            values.pop("pkcs11_token"),
            values.pop("pkcs11_pin_file"),
        )
        return command(key=choice, **values)

    gathered.__doc__, gathered.__name__ = command.__doc__, command.__name__
    # The options that were put on the command before stay on it.
    gathered.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


_OPTIONS = (
    click.option(
        "--key",
        "key_name",
        envvar="MOHR_KEY",
        help="A party's folder, a PKCS #12 or PEM file, or the label of a key in the token (also MOHR_KEY).",
    ),
    click.option(
        "--certificate", type=_FILE, help="The key's certificate, where it is in a file of its own."
    ),
    click.option("--chain", type=_FILE, help="The authorities above it, without the root (PEM)."),
    click.option(
        "--passphrase-file",
        type=_FILE,
        help=f"File with the passphrase of the key; {PASSPHRASE_VARIABLE} or a question otherwise.",
    ),
    click.option("--pkcs11-module", metavar="FILE", help="The token's module, such as libsofthsm2.so."),
    click.option("--pkcs11-token", metavar="LABEL", help="The label of the token."),
    click.option(
        "--pkcs11-pin-file", type=_FILE, help=f"File with the token's PIN; {PIN_VARIABLE} otherwise."
    ),
)


@contextmanager
def opened_signer(choice: KeyChoice) -> Iterator[Signer]:
    """The signer; a token is let go at the end. Raises NotFound, MalformedInput, KeyUnavailable and FolderInvalid."""
    if choice.key is None:
        raise NotFound("name the key to sign with: --key or MOHR_KEY")
    if (choice.module is None) is not (choice.token is None):
        raise MalformedInput("a token is named by its module and its label together")
    if choice.module is not None and choice.token is not None:
        from pki.tokens import TokenKeys  # loads native code, which others do without

        keys = TokenKeys(choice.module, choice.token, _pin(choice.pin_file), max_sessions=1)
        try:
            yield _fitting(keys.load(choice.key), _named_certificates(choice))
        finally:
            keys.close()
        return
    path = Path(choice.key)
    if not path.exists():
        raise NotFound(
            "there is no such key: name a party's folder or a key file, or the token that holds it",
            key=choice.key,
        )
    yield _of_folder(path, choice) if path.is_dir() else _of_file(path, choice)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM or DER file, in their order; raises NotFound or MalformedInput."""
    data = read_bounded(path, MAX_KEY_BYTES)
    try:
        if b"-----BEGIN" not in data:
            return [x509.load_der_x509_certificate(data)]
        found = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise MalformedInput("not a certificate, in PEM or DER", path=str(path)) from error
    if len(found) > MAX_CERTIFICATES:
        raise MalformedInput("too many certificates", path=str(path), limit=MAX_CERTIFICATES)
    return found


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a file that is no longer than that; raises NotFound or MalformedInput."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise NotFound("the file cannot be read", path=str(path)) from error
    if len(data) > limit:
        raise MalformedInput("the file is too long", path=str(path), limit_bytes=limit)
    return data


def _of_folder(path: Path, choice: KeyChoice) -> Signer:
    from client.folder import PartyFolder

    if not (path / "party.json").is_file():
        raise NotFound(
            "the folder is no party's: name one that `mohr pki folder` made, or the key's file", key=str(path)
        )
    locked = (path / "keys").is_dir() and not (path / "signing.key.pem").exists()
    secret = _passphrase(choice) if locked else None
    return PartyFolder(path, passphrase=None if secret is None else secret.decode("utf-8")).signer()


def _of_file(path: Path, choice: KeyChoice) -> Signer:
    data = read_bounded(path, MAX_KEY_BYTES)
    named = _named_certificates(choice)
    if b"-----BEGIN" in data:
        inside = x509.load_pem_x509_certificates(data) if b"BEGIN CERTIFICATE" in data else []
        return _fitting(_opened(data, choice, load_pem_private_key), [*named, *inside])
    try:
        key = load_der_private_key(data, None)
    except TypeError:
        key = _opened(data, choice, load_der_private_key)
    except ValueError:
        key, certificate, others = _opened(data, choice, pkcs12.load_key_and_certificates)
        named += [each for each in (certificate, *others) if each is not None]
    return _fitting(key, named)


def _opened(data: bytes, choice: KeyChoice, load: Any) -> Any:
    """What ``load`` makes of the bytes, with the passphrase only where it does not open without one."""
    try:
        return load(data, None)
    except (ValueError, TypeError) as closed:
        # A key says by its kind of error that it is locked, a PKCS #12 file by its words.
        if isinstance(closed, ValueError) and "password" not in str(closed).lower():
            raise MalformedInput("not a private key, in PEM, DER or PKCS #12") from closed
    try:
        return load(data, _passphrase(choice))
    except (ValueError, TypeError) as error:
        raise MalformedInput("the key does not open with that passphrase") from error


def _named_certificates(choice: KeyChoice) -> list[x509.Certificate]:
    files = [each for each in (choice.certificate, choice.chain) if each is not None]
    return [each for file in files for each in read_certificates(file)]


def _fitting(key: Any, certificates: Sequence[x509.Certificate]) -> Signer:
    """The key with the certificate that is its own, and those above it; raises MalformedInput."""
    try:
        key_kind(key)
    except AlgorithmRefused as error:
        raise MalformedInput(_KINDS) from error
    own = [each for each in certificates if each.public_key() == key.public_key()]
    if not own:
        given = ", and of what was given none is of this key" if certificates else ""
        raise MalformedInput(f"the certificate of the key is missing{given}: --certificate FILE")
    chain = [each for each in certificates if each not in own and each.subject != each.issuer]
    found: PrivateKey = key
    return Signer(found, own[0], tuple(dict.fromkeys(chain)))


def _passphrase(choice: KeyChoice) -> bytes:
    if choice.passphrase_file is not None:
        return read_bounded(choice.passphrase_file, 4096).decode("utf-8").strip().encode("utf-8")
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE].encode("utf-8")
    if not sys.stdin.isatty():
        raise NotFound(f"the key is locked: --passphrase-file or {PASSPHRASE_VARIABLE}")
    answer: str = click.prompt("Passphrase of the key", hide_input=True, err=True)
    return answer.encode("utf-8")


def _pin(file: Path | None) -> str:
    from pki.token_pins import checked_pin, read_pin

    if file is not None:
        return read_pin(file)
    if PIN_VARIABLE not in os.environ:
        raise NotFound(f"name the file of the token's PIN, or set {PIN_VARIABLE}")
    return checked_pin(os.environ[PIN_VARIABLE])
