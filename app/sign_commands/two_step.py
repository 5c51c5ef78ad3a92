"""``mohr sign prepare`` and ``mohr sign complete``: for a key that this machine does not hold."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from app.cli import json_option
from app.sign_commands.answers import say
from app.sign_commands.files import (
    MAX_DOCUMENT_BYTES,
    force_option,
    out_option,
    require_free,
    write_whole,
)
from app.sign_commands.keys import read_bounded, read_certificates
from app.sign_commands.services import (
    clock_of_commands,
    level_option,
    opened_services,
    service_choice,
    service_options,
)
from app.sign_commands.wishes import pdf_options, pdf_wishes
from kernel.canonical import sha256_hex
from signing.ades.services import Level
from signing.errors import PreparedCompleted
from signing.two_step import FORMATS, MAX_HEADER_BYTES, MAX_SIGNATURE_BYTES, PreparedDocument

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DEFAULT_MINUTES = 24 * 60
_COMPLETED = b"mohr/completed-document/v1 "


@click.command("prepare")
@click.argument("documents", type=_FILE, nargs=-1, required=True)
@click.option("--certificate", type=_FILE, required=True, help="The signer's certificate (PEM or DER).")
@click.option("--chain", type=_FILE, help="The authorities above it, without the root (PEM).")
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), required=True, help="What will be made."
)
@click.option("--enveloping", is_flag=True, help="The document goes inside the signature (--format file).")
@level_option()
@pdf_options
@service_options
@click.option(
    "--minutes",
    type=click.IntRange(1, 60 * 24 * 30),
    default=_DEFAULT_MINUTES,
    show_default=True,
    help="How long the state may wait for the signature value.",
)
@click.option(
    "--to-sign",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write what the key signs: the digest, for Ed25519 the signed attributes themselves.",
)
@out_option()
@force_option
@json_option
def prepare(
    documents: tuple[Path, ...],
    certificate: Path,
    chain: Path | None,
    format_: Any,
    out: Path,
    minutes: int,
    enveloping: bool,
    to_sign: Path | None,
    **options: Any,
) -> None:
    """Say what is to be signed, with the digest for the key, and keep the state for `complete`."""
    from signing.two_step_making import Document, Wish, prepare_document

    inputs = [*documents, certificate, chain]
    target = require_free(out, force=options["force"], inputs=inputs)
    if to_sign is not None:
        require_free(to_sign, force=options["force"], inputs=inputs)
    level, wished = Level(options["level"]), pdf_wishes(options)
    own, *above = read_certificates(certificate)
    above += [] if chain is None else read_certificates(chain)
    wish = Wish(format_, level, timedelta(minutes=minutes), enveloping=enveloping, pdf=wished)
    with ExitStack() as stack:
        services = stack.enter_context(opened_services(service_choice(options), level))
        sources = [Document(each.name, stack.enter_context(each.open("rb"))) for each in documents]
        at = clock_of_commands().now()
        prepared = prepare_document(sources, wish, own, above, services, at=at)
    write_whole(target, prepared.to_bytes(), force=options["force"])
    if to_sign is not None:
        signed = prepared.attributes if _signs_bytes(prepared) else prepared.digest
        write_whole(to_sign, signed, force=options["force"])
    tell({**shown(prepared), "state": str(target)}, options["as_json"])


@click.command("complete")
@click.argument("state", type=_FILE)
@click.option(
    "--signature", type=_FILE, required=True, help="The signature value, as its key's program wrote it."
)
@service_options
@out_option()
@force_option
@json_option
def complete(state: Path, signature: Path, out: Path, **options: Any) -> None:
    """Put the signature value in, once: the signed document, or a refusal and nothing."""
    from signing.two_step import check_open
    from signing.two_step_making import complete_document

    target = require_free(out, force=options["force"], inputs=[state, signature])
    value = read_bounded(signature, MAX_SIGNATURE_BYTES)
    with _alone(state):
        kept = read_bounded(state, MAX_DOCUMENT_BYTES + MAX_HEADER_BYTES)
        if kept.startswith(_COMPLETED):
            made_before = kept.removeprefix(_COMPLETED).decode("ascii", "replace").strip()[:64]
            raise PreparedCompleted("the document has its signature already", sha256=made_before)
        prepared = PreparedDocument.from_bytes(kept)
        at = clock_of_commands().now()
        check_open("prepared", prepared.expires_at, at)
        with opened_services(service_choice(options), prepared.level) as services:
            made = complete_document(prepared, value, services, at=at)
        write_whole(target, made, force=options["force"])
        write_whole(state, _COMPLETED + sha256_hex(made).encode("ascii") + b"\n", force=True)
    tell({"out": str(target), **_document(prepared)}, options["as_json"])


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Of two processes that complete one state the second waits, and then finds it completed."""
    with state.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tell(answer: Mapping[str, Any], as_json: bool) -> None:
    """As ``say``, with a line for each document."""
    if as_json:
        say(answer, True)
        return
    documents = answer["documents"]
    for each in documents:
        click.echo(f"document: {each['name']} ({each['size']} bytes, SHA-256 {each['sha256']})")
    say({name: value for name, value in answer.items() if name != "documents"}, False)


def shown(prepared: PreparedDocument) -> Mapping[str, Any]:
    """What the signer is to see before his key is used."""
    from kernel.clock import format_utc
    from pki.algorithms import fingerprint_of
    from pki.names import name_of

    return {
        **_document(prepared),
        "signer": name_of(prepared.certificate),
        "certificate": fingerprint_of(prepared.certificate),
        "digest": prepared.digest.hex(),
        "digest_algorithm": prepared.digest_name,
        "algorithm": prepared.algorithm,
        "to_be_signed": prepared.attributes.hex() if _signs_bytes(prepared) else None,
        "expires_at": format_utc(prepared.expires_at),
    }


def _signs_bytes(prepared: PreparedDocument) -> bool:
    """Ed25519 signs bytes and no digest of them."""
    return prepared.digest_name == "sha512"


def _document(prepared: PreparedDocument) -> Mapping[str, Any]:
    return {
        "documents": [
            {"name": each.name, "size": each.length, "sha256": each.sha256} for each in prepared.documents
        ],
        "format": prepared.format,
        "level": str(prepared.level),
    }
