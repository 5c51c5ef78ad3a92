"""``mohr verify``: what a signed document is worth, at a time, to whom one trusts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.plain_lines import plain_line
from app.sign_commands.files import force_option, require_free, write_whole
from app.sign_commands.registration import proof_bytes, tell_registration
from app.sign_commands.services import clock_of_commands
from kernel.clock import format_utc, parse_utc
from kernel.errors import MalformedInput

if TYPE_CHECKING:
    from signing.validation.contents import FoundDocument
    from signing.validation.report import SignatureReport, TimestampReport, ValidationReport
    from signing.validation.trust import Trust

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_OUT = click.Path(path_type=Path, dir_okay=False)


@click.command("verify")
@click.argument("document", type=_FILE)
@click.option(
    "--content", type=_FILE, help="The file beside a detached signature, or the registered document."
)
@click.option(
    "--at",
    metavar="TIME",
    help="As of when it is judged, such as 2027-01-31T12:00:00Z (RFC 3339); now otherwise.",
)
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
            require_free(each, force=force, inputs=[document, content])
    moment = None if at is None else _moment(at)
    proof = proof_bytes(document)
    if proof is not None:
        fetched = _fetching() if fetch else None
        proven = tell_registration(
            proof, document.name, content, trust, folder, moment, fetched=fetched, as_json=as_json
        )
        _write(proven.report, xml, html, language, force=force)
        # Registered is not in force: whoever looks at the exit code alone must not take one for the other.
        sys.exit(0 if proven.state == "valid" else 1)
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
        for line in told(report, fetched=fetch):
            click.echo(line)
    sys.exit(0 if report.passed else 1)


def _moment(text: str) -> datetime:
    """Raises BadParameter for what is no time with its offset."""
    try:
        return parse_utc(text)
    except MalformedInput as error:
        raise click.BadParameter(
            f"{error.detail}: write it as 2027-01-31T12:00:00Z", param_hint="--at"
        ) from error


def _fetching() -> Callable[[FoundDocument, Trust, datetime], Trust]:
    from app.sign_commands.fetching import with_fetched

    return with_fetched


def told(report: ValidationReport, *, fetched: bool) -> Iterator[str]:
    """A line for the document, and some for each signature; nothing in them comes out as control characters."""
    yield f"{plain_line(report.name)}: {report.indication} at {format_utc(report.at)} (SHA-256 {report.sha256})"
    if not report.signatures:
        yield "  no signature"
    for each in report.findings:
        yield f"  {each.code}: {plain_line(each.detail)}"
    for number, signature in enumerate(report.signatures, 1):
        yield from _signature(number, signature, fetched=fetched)


def _signature(number: int, found: SignatureReport, *, fetched: bool) -> Iterator[str]:
    sub = "" if found.sub_indication is None else f" {found.sub_indication}"
    who = found.signer or "nobody known"
    party = "" if found.party is None else f" ({found.party})"
    yield f"  {number}. {found.indication}{sub}: {plain_line(who + party)}, {found.form} {found.level or 'below B-B'}"
    if found.detail:
        yield f"     {plain_line(found.detail)}"
    for stamp in found.timestamps:
        if stamp.indication != "TOTAL-PASSED":
            yield f"     a time stamp that does not count: {plain_line(_why_not(stamp))}"
    advice = _advice(found, fetched=fetched)
    if advice is not None:
        yield f"     {advice}"
    if found.best_time is not None:
        yield f"     proven to exist at {format_utc(found.best_time)}"
    yield f"     covers {plain_line(found.scope)}{'' if found.whole else ' (not all of the file)'}"
    for change in found.changes:
        yield f"     {'allowed' if change.allowed else 'FORBIDDEN'} change {change.code}: {plain_line(change.detail)}"
    for finding in found.findings:
        yield f"     {finding.code}: {plain_line(finding.detail)}"


def _advice(found: SignatureReport, *, fetched: bool) -> str | None:
    """What the caller can add, where that may help."""
    if found.sub_indication == "SIGNED_DATA_NOT_FOUND" and found.form == "CAdES":
        return "give the file that was signed: --content FILE"
    if found.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND":
        return "whose roots are trusted is said by --trust or --folder"
    lacking = [
        found.detail,
        *(_why_not(each) for each in found.timestamps if each.indication != "TOTAL-PASSED"),
    ]
    if not any("no revocation information" in each for each in lacking):
        return None
    if fetched:
        return "nothing was to be had at the addresses in certificates; a list (.crl) in the folder of --trust helps"
    return "evidence that is not inside the file is fetched with --fetch"


def _why_not(stamp: TimestampReport) -> str:
    """The first check that did not pass, and whose stamp it is."""
    who = stamp.path[0].subject if stamp.path else "nobody known"
    failed = next((each for each in stamp.checks if each.outcome in ("failed", "indeterminate")), None)
    detail = "" if failed is None else failed.detail
    return ": ".join(filter(None, (stamp.sub_indication or stamp.indication, detail or who)))


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
