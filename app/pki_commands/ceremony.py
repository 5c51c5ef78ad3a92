"""``mohr pki ceremony``, ``operator new`` and ``take-crl``: what is done to authorities themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from app.settings import Settings
    from kernel.clock import Clock
    from pki.ceremonies.operators import Operator
    from pki.ceremonies.transcript import Transcript
    from pki.key_provider import KeyProvider
    from pki.keys import KeyStore

MIN_PASSPHRASE = 16
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("ceremony")
@click.argument("file", type=_FILE, required=False)
@click.option(
    "--folder",
    type=_FOLDER,
    envvar="MOHR_FOLDER",
    help="The installation whose authority it is (also MOHR_FOLDER).",
)
@click.option(
    "--authority", type=_FOLDER, help="The authority's folder itself, where there is no installation."
)
@click.option(
    "--operator", "operators", type=_FOLDER, multiple=True, help="An operator's folder; twice or more."
)
@click.option(
    "--operator-passphrase-file",
    "operator_files",
    type=_FILE,
    multiple=True,
    help="The passphrase of each operator, in their order; asked for otherwise.",
)
@click.option("--passphrase-file", type=_FILE, help="The passphrase of the authority's keys.")
@click.option("--root-keys", type=_FOLDER, help="The key store of a root that is kept apart.")
@click.option("--root-passphrase-file", type=_FILE, help="The passphrase of that store.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be signed, and do nothing.")
@click.option("--verify", "transcript", type=_FILE, help="Verify this transcript and print it.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
def ceremony(
    file: Path | None,
    folder: Path | None,
    authority: Path | None,
    operators: tuple[Path, ...],
    operator_files: tuple[Path, ...],
    passphrase_file: Path | None,
    root_keys: Path | None,
    root_passphrase_file: Path | None,
    only_plan: bool,
    transcript: Path | None,
    as_json: bool,
) -> None:
    """Hold the ceremony that FILE describes, with two operators, or verify the transcript of one."""
    if transcript is not None:
        _verify(transcript, as_json)
        return
    if file is None:
        raise click.UsageError("name the file of a ceremony, or a transcript with --verify")
    from pki.ceremonies.document import read_ceremony
    from pki.ceremonies.holding import hold
    from pki.ceremonies.plan import prepare

    settings, place, clock = _place(folder, authority)
    plan = prepare(read_ceremony(file), place)
    if only_plan:
        click.echo(json.dumps(plan.content, ensure_ascii=False, indent=1, sort_keys=True))
        return
    click.echo(json.dumps(plan.content, ensure_ascii=False, indent=1, sort_keys=True), err=True)
    opened = _open_operators(operators, operator_files)
    keys = _authority_keys(settings, passphrase_file, place)
    apart = None if root_keys is None else _open_store(root_keys, root_passphrase_file, "the root's keys")
    held = hold(
        plan,
        [plan.approve(each) for each in opened],
        opened,
        folder=place,
        keys=keys,
        clock=clock,
        root_keys=apart,
    )
    _say(held.transcript, held.folder, as_json)
    if settings is not None:
        _record(settings)


@click.group("operator")
def operator() -> None:
    """Operators of ceremonies, each with a key of their own."""


@operator.command("new")
@click.argument("name")
@click.option("--out", type=_FOLDER, required=True, help="The operator's own folder; it is made.")
@click.option("--kind", type=click.Choice(["Ed25519", "P-256"]), default="Ed25519", show_default=True)
@click.option(
    "--passphrase-file", type=_FILE, help="A passphrase of the operator's own; asked for otherwise."
)
def operator_new(name: str, out: Path, kind: str, passphrase_file: Path | None) -> None:
    """Make the key of an operator and print what stands for it in the file of a ceremony."""
    from kernel.errors import MalformedInput
    from pki.ceremonies.document import OPERATOR_NAME
    from pki.ceremonies.operators import make_operator

    if OPERATOR_NAME.fullmatch(name) is None:
        raise MalformedInput("a name of 1 to 32 small letters, digits and dashes")
    entry = make_operator(out, name, _passphrase(passphrase_file, name, new=True), kind=kind).entry
    click.echo(f'[[operators]]\nname = "{entry.name}"\npublic_key = "{entry.public_key}"')


@click.command("take-crl")
@click.argument("file", type=_FILE)
@click.option("--folder", type=_FOLDER, envvar="MOHR_FOLDER", help="The installation (also MOHR_FOLDER).")
def take_crl(file: Path, folder: Path | None) -> None:
    """Take in a revocation list (DER) that was signed elsewhere, as by an outside root."""
    from app.bootstrap import build_container
    from app.settings import load_settings
    from kernel.errors import NotFound
    from pki.ceremonies.record import take_list

    container = build_container(load_settings(folder))
    try:
        der = file.read_bytes()
        issuer = take_list(
            der, authority=container.authority, unit_of_work=container.unit_of_work, clock=container.clock
        )
    except OSError as error:
        raise NotFound("the list cannot be read", path=str(file)) from error
    finally:
        container.close()
    click.echo(f"taken in: the list of {issuer.name}")


@click.command("anchors")
@click.option("--folder", type=_FOLDER, envvar="MOHR_FOLDER", help="The installation (also MOHR_FOLDER).")
def anchors(folder: Path | None) -> None:
    """Print what parties and auditors pin (mohr/anchors/v1), as it is after a root was given up."""
    from app.bootstrap import build_container
    from app.export import anchors_of
    from app.settings import load_settings

    container = build_container(load_settings(folder))
    try:
        click.echo(json.dumps(anchors_of(container), indent=1))
    finally:
        container.close()


def _place(folder: Path | None, authority: Path | None) -> tuple[Settings | None, Path, Clock]:
    from kernel.clock import SystemClock

    if authority is not None:
        return None, authority.absolute(), SystemClock()
    from app.bootstrap import build_clock
    from app.settings import load_settings

    settings = load_settings(folder)
    return settings, settings.folder / "authority", build_clock(settings)


def _open_operators(folders: Sequence[Path], files: Sequence[Path]) -> list[Operator]:
    from kernel.errors import MalformedInput
    from pki.ceremonies.operators import open_operator, read_operator

    if files and len(files) != len(folders):
        raise MalformedInput("name a passphrase file for each operator, or for none")
    opened = []
    for number, folder in enumerate(folders):
        name = read_operator(folder).name
        passphrase = _passphrase(files[number] if files else None, name)
        opened.append(open_operator(folder, passphrase))
    return opened


def _authority_keys(settings: Settings | None, file: Path | None, place: Path) -> KeyProvider:
    """The token of the settings, or the encrypted files of the folder."""
    from pki.keys import KeyStore as Store

    if settings is not None and file is None:
        from app.authority_keys import open_token
        from app.bootstrap import read_secret

        token = open_token(settings)
        if token is not None:
            return token
        return Store(place / "keys", read_secret(settings, settings.passphrase_file, "passphrase_file"))
    passphrase = _passphrase(file, "the authority's keys", new=not (place / "keys").exists())
    return Store(place / "keys", passphrase)


def _open_store(folder: Path, file: Path | None, whose: str) -> KeyStore:
    from pki.keys import KeyStore as Store

    return Store(folder, _passphrase(file, whose, new=not folder.exists()))


def _passphrase(file: Path | None, whose: str, *, new: bool = False) -> str:
    from kernel.errors import MalformedInput, NotFound

    if file is None:
        text = str(click.prompt(f"Passphrase of {whose}", hide_input=True, confirmation_prompt=new, err=True))
    else:
        try:
            text = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NotFound("a passphrase file cannot be read", path=str(file)) from error
    if new and len(text) < MIN_PASSPHRASE:
        raise MalformedInput(f"a passphrase has at least {MIN_PASSPHRASE} characters")
    return text


def _verify(file: Path, as_json: bool) -> None:
    """Signatures, the files beside it and, in an authority's folder, the history that leads to it."""
    from kernel.errors import NotFound
    from pki.authority_folder import CEREMONIES
    from pki.ceremonies.transcript import verify_history, verify_transcript

    try:
        data = file.read_bytes()
    except OSError as error:
        raise NotFound("the transcript cannot be read", path=str(file)) from error
    place = file.absolute().parent
    inside = place.parent.name == CEREMONIES
    transcript = verify_transcript(data, place if inside else None)
    history = len(verify_history(place.parent.parent)) if inside else 0
    _say(transcript, place, as_json)
    if not as_json:
        click.echo(f"verified, with {history} ceremonies in a chain" if inside else "verified by itself")


def _say(transcript: Transcript, folder: Path, as_json: bool) -> None:
    if as_json:
        answer = {"digest": transcript.digest, "folder": str(folder), "transcript": transcript.content}
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        click.echo(transcript.text(), nl=False)


def _record(settings: Settings) -> None:
    """Into the database at once; where that does not answer, the server does it within a second of its start."""
    from app.bootstrap import build_container
    from kernel.errors import Unavailable, with_cause

    container = build_container(settings)
    try:
        container.trust.refresh()
    except Unavailable as error:
        click.echo(f"held, and recorded by the server later: {with_cause(error)}", err=True)
    finally:
        container.close()
