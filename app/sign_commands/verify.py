"""``mohr verify``: what a signed document is worth, at a time, to whom one trusts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.sign_commands.files import force_option, require_free, write_whole
from app.sign_commands.registration import proof_bytes, tell_registration
from app.sign_commands.services import clock_of_commands
from kernel.clock import format_utc, parse_utc

if TYPE_CHECKING:
    from signing.validation.contents import FoundDocument
    from signing.validation.report import SignatureReport, ValidationReport
    from signing.validation.trust import Trust

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_OUT = click.Path(path_type=Path, dir_okay=False)


@click.command("verify")
@click.argument("document", type=_FILE)
@click.option(
    "--content", type=_FILE, help="The file beside a detached signature, or the registered document."
)
@click.option("--at", metavar="TIME", help="As of when it is judged (RFC 3339); now otherwise.")
@click.option("--trust", type=_FOLDER, help="Folder of anchors: certificates, lists and answers beside them.")
@click.option(
    "--folder",
    type=_FOLDER,
    envvar="MOHR_FOLDER",
    help="An installation or a party's folder, whose root is trusted (also MOHR_FOLDER, or the current folder).",
)
@click.option(
    "--fetch", is_flag=True, help="Fetch evidence that is not inside from the addresses in certificates."
)
@click.option("--json", "as_json", is_flag=True, help="The whole report as canonical JSON.")
@click.option("--xml", type=_OUT, help="Write the report as XML of ETSI TS 119 102-2.")
@click.option("--html", type=_OUT, help="Write the report as a page for people.")
@click.option(
    "--language", type=click.Choice(["fa", "en"]), default="fa", show_default=True, help="Of the page."
)
@force_option
def command(
    document: Path,
    content: Path | None,
    at: str | None,
    trust: Path | None,
    folder: Path | None,
    fetch: bool,
    as_json: bool,
    xml: Path | None,
    html: Path | None,
    language: str,
    force: bool,
) -> None:
    """Verify a signed document or registration proof; exit code 0 when it passed, 1 when it failed or is in doubt."""
    from app.sign_commands.trust import chosen_trust
    from app.verifying import verify

    for each in (xml, html):
        if each is not None:
            require_free(each, force=force)
    moment = None if at is None else parse_utc(at)
    proof = proof_bytes(document)
    if proof is not None:
        fetched = _fetching() if fetch else None
        judged = tell_registration(
            proof, document.name, content, trust, folder, moment, fetched=fetched, as_json=as_json
        )
        _write(judged, xml, html, language, force=force)
        return
    with chosen_trust(trust, folder) as (trusted, completed):
        report = verify(
            document,
            trusted,
            at=moment,
            clock=clock_of_commands(),
            content=content,
            name=document.name,
            fetched=_fetching() if fetch else completed,
        )
    _write(report, xml, html, language, force=force)
    if as_json:
        from signing.validation.report_json import report_bytes

        click.echo(report_bytes(report).decode("utf-8"))
    else:
        for line in told(report):
            click.echo(line)
    sys.exit(0 if report.passed else 1)


def _fetching() -> Callable[[FoundDocument, Trust, datetime], Trust]:
    from app.sign_commands.fetching import with_fetched

    return with_fetched


def told(report: ValidationReport) -> Iterator[str]:
    """A line for the document, and some for each signature; nothing in them comes out as control characters."""
    yield f"{_plain(report.name)}: {report.indication} at {format_utc(report.at)} (SHA-256 {report.sha256})"
    if not report.signatures:
        yield "  no signature"
    for each in report.findings:
        yield f"  {each.code}: {_plain(each.detail)}"
    for number, signature in enumerate(report.signatures, 1):
        yield from _signature(number, signature)


def _signature(number: int, found: SignatureReport) -> Iterator[str]:
    sub = "" if found.sub_indication is None else f" {found.sub_indication}"
    who = found.signer or "nobody known"
    party = "" if found.party is None else f" ({found.party})"
    yield f"  {number}. {found.indication}{sub}: {_plain(who + party)}, {found.form} {found.level or 'below B-B'}"
    if found.detail:
        yield f"     {_plain(found.detail)}"
    if found.detail and "revocation information" in found.detail:
        yield "     evidence that is not inside the file is fetched with --fetch"
    if found.best_time is not None:
        yield f"     proven to exist at {format_utc(found.best_time)}"
    yield f"     covers {_plain(found.scope)}{'' if found.whole else ' (not all of the file)'}"
    for change in found.changes:
        yield f"     {'allowed' if change.allowed else 'FORBIDDEN'} change {change.code}: {_plain(change.detail)}"
    for finding in found.findings:
        yield f"     {finding.code}: {_plain(finding.detail)}"


def _plain(text: str) -> str:
    """What a document says of itself must not move the cursor of a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _write(
    report: ValidationReport, xml: Path | None, html: Path | None, language: str, *, force: bool
) -> None:
    if xml is not None:
        from signing.validation.report_xml import report_xml

        write_whole(xml, report_xml(report), force=force)
    if html is not None:
        from signing.validation.report_html import report_html

        page = report_html(report, "en" if language == "en" else "fa")
        write_whole(html, page.encode("utf-8"), force=force)
