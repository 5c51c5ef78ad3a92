"""``mohr sign``: PDF documents, any files and containers, at once or in two steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from app.cli import json_option
from app.sign_commands.answers import say
from app.sign_commands.files import (
    MAX_DOCUMENT_BYTES,
    force_option,
    out_option,
    read_document,
    require_free,
    writing,
)
from app.sign_commands.keys import KeyChoice, key_options, opened_signer, read_bounded
from app.sign_commands.services import (
    clock_of_commands,
    level_option,
    opened_services,
    service_choice,
    service_options,
)
from app.sign_commands.wishes import pdf_options, pdf_wishes
from kernel.errors import DomainError
from pki.signed_data import Signer
from signing.ades.services import Level, Services

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("pdf")
@click.argument("document", type=_FILE)
@key_options
@level_option()
@pdf_options
@service_options
@out_option("NAME.signed.pdf beside it")
@force_option
@json_option
def pdf(document: Path, out: Path | None, key: KeyChoice, **options: Any) -> None:
    """Sign a PDF document (PAdES), invisibly or where --visible says."""
    from signing.pdf.signing import sign_pdf

    wishes = pdf_wishes(options)
    with _signing(out or document.with_suffix(".signed.pdf"), key, options) as (
        signer,
        level,
        services,
        target,
    ):
        source = read_document(document)
        at = clock_of_commands().now()
        target.write(sign_pdf(source, signer, level, services, at=at, **wishes.as_keywords()))


@click.command("file")
@click.argument("document", type=_FILE)
@click.option("--enveloping", is_flag=True, help="The document is inside the signature.")
@click.option("--beside", type=_FILE, help="A signature over the same file by others, to be signed beside.")
@key_options
@level_option()
@service_options
@out_option("DOCUMENT.p7s, or .p7m with --enveloping, beside it")
@force_option
@json_option
def file(
    document: Path, out: Path | None, key: KeyChoice, enveloping: bool, beside: Path | None, **options: Any
) -> None:
    """Sign any file (CAdES): the signature beside it, or around it with --enveloping."""
    from signing.ades.cades import file_digest, sign_beside, sign_file

    if enveloping and beside is not None:
        raise click.UsageError("either --enveloping or --beside")
    target = out or document.with_name(document.name + (".p7m" if enveloping else ".p7s"))
    with _signing(target, key, options, inputs=[document, beside]) as (signer, level, services, written):
        at = clock_of_commands().now()
        if beside is None:
            made = sign_file(document, signer, level, services, at=at, enveloping=enveloping)
        else:
            there = read_bounded(beside, MAX_DOCUMENT_BYTES)
            made = sign_beside(there, signer, level, services, file_digest(document), at=at)
        written.write(made)


@click.command("asice")
@click.argument("documents", type=_FILE, nargs=-1, required=True)
@click.option("--add", is_flag=True, help="The one document is a container: sign what is in it as well.")
@key_options
@level_option()
@service_options
@out_option()
@force_option
@json_option
def asice(documents: tuple[Path, ...], out: Path, key: KeyChoice, add: bool, **options: Any) -> None:
    """Put files into a container with one signature over all of them (ASiC-E with CAdES)."""
    from signing.ades.asice import add_signature, sign_container
    from signing.ades.asice_inside import ContainerFile

    if add and len(documents) != 1:
        raise click.UsageError("--add takes one container, and nothing to put into it")
    inputs = [] if add else documents
    with _signing(out, key, options, inputs=inputs) as (signer, level, services, target):
        at = clock_of_commands().now()
        if add:
            with documents[0].open("rb") as source:
                add_signature(source, target, signer, level, services, at=at)
        else:
            files = [ContainerFile.of_path(each) for each in documents]
            sign_container(files, target, signer, level, services, at=at)


@contextmanager
def _signing(
    out: Path, key: KeyChoice, options: dict[str, Any], inputs: Sequence[Path | None] = ()
) -> Iterator[tuple[Signer, Level, Services, BinaryIO]]:
    """Key, level, services and the file to write, which is there only when all went well; and then says so."""
    require_free(out, force=options["force"], inputs=inputs)
    level = Level(options["level"])
    with ExitStack() as stack:
        signer = stack.enter_context(opened_signer(key))
        services = stack.enter_context(opened_services(service_choice(options), level))
        with writing(out, force=options["force"]) as target:
            yield signer, level, services, target
    say({"out": str(out), "level": str(level), "party": _party(signer)}, options["as_json"])


def _party(signer: Signer) -> str | None:
    """Certificates of others may name no party of ours."""
    try:
        return signer.party
    except DomainError:
        return None
