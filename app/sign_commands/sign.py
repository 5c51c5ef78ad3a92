"""``mohr sign``: PDF documents, any files and containers, at once or in two steps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from app.cli import json_option
from app.sign_commands.files import force_option, out_option, require_free, write_whole
from app.sign_commands.keys import KeyChoice, key_options, opened_signer
from app.sign_commands.services import (
    clock_of_commands,
    level_option,
    opened_services,
    service_options,
)
from app.sign_commands.wishes import pdf_options, pdf_wishes
from signing.ades.services import Level

_AT_ONCE = timedelta(hours=1)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("pdf")
@click.argument("document", type=_FILE)
@key_options
@level_option()
@pdf_options
@service_options
@out_option()
@force_option
@json_option
def pdf(document: Path, out: Path | None, key: KeyChoice, **options: Any) -> None:
    """Sign a PDF document (PAdES), invisibly or where --visible says."""
    wished = pdf_wishes(options)
    _sign([document], "pdf", out or document.with_suffix(".signed.pdf"), key, options, pdf=wished)


@click.command("file")
@click.argument("document", type=_FILE)
@click.option("--enveloping", is_flag=True, help="The document is inside the signature.")
@key_options
@level_option()
@service_options
@out_option()
@force_option
@json_option
def file(document: Path, out: Path | None, key: KeyChoice, enveloping: bool, **options: Any) -> None:
    """Sign any file (CAdES): the signature beside it, or around it with --enveloping."""
    suffix = ".p7m" if enveloping else ".p7s"
    target = out or document.with_name(document.name + suffix)
    _sign([document], "file", target, key, options, enveloping=enveloping)


@click.command("asice")
@click.argument("documents", type=_FILE, nargs=-1, required=True)
@key_options
@level_option()
@service_options
@out_option(required=True)
@force_option
@json_option
def asice(documents: tuple[Path, ...], out: Path, key: KeyChoice, **options: Any) -> None:
    """Put files into a container with one signature over all of them (ASiC-E with CAdES)."""
    _sign(documents, "asice", out, key, options)


def _sign(
    documents: Sequence[Path], format_: Any, out: Path, key: KeyChoice, options: dict[str, Any], **more: Any
) -> None:
    from app.pki_commands.party import say
    from signing.ades.signed_data import sign as sign_prepared
    from signing.two_step_making import Document, Wish, complete_document, prepare_document

    target = require_free(out, force=options["force"])
    level = Level(options["level"])
    with ExitStack() as stack:
        signer = stack.enter_context(opened_signer(key))
        services = stack.enter_context(opened_services(options["tsa"], options["folder"], level))
        sources = [Document(each.name, stack.enter_context(each.open("rb"))) for each in documents]
        at = clock_of_commands().now()
        wish = Wish(format_, level, _AT_ONCE, **more)
        prepared = prepare_document(sources, wish, signer.certificate, signer.chain, services, at=at)
        value = sign_prepared(prepared.signed_data(), signer)
        made = complete_document(prepared, value, services, at=at)
    write_whole(target, made, force=options["force"])
    say(
        {"out": str(target), "level": str(level), "document_sha256": prepared.sha256, "party": signer.party},
        options["as_json"],
    )
