"""``mohr documents issue``: from a finished draft to a registered document in one step; ``mark``: the first half."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import click

from app.cli import json_option
from app.documents_commands.outcomes import say_outcomes, watched
from app.documents_commands.sheets import write_sheet
from app.documents_commands.wanted import told_by, told_options, wanted
from app.pki_commands.party import At, acting, party_option, say
from app.sign_commands.files import read_document, require_free, write_whole
from authenticity.marking import marked
from authenticity.rule import DatedRule
from client.document_batches import register_many
from client.document_journal import Journal
from client.documents import Secretary
from client.evidence import HttpEvidence
from client.stamping import HttpStamps
from kernel.errors import MalformedInput
from signing.ades.services import Level, Services
from signing.cms import Signer
from signing.extending import kind_of
from signing.pdf.marking import CORNERS, Corner

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_PDF = b"%PDF-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where marks go: the page from 1, or from the end below 0, and the corner."""

    page: int
    corner: Corner

    @property
    def index(self) -> int:
        """As ``mark_pdf`` counts."""
        return self.page - 1 if self.page > 0 else self.page


def _place_options(command: Any) -> Any:
    corner = click.option(
        "--corner", type=click.Choice(CORNERS), default="bottom-left", show_default=True, help="Of the page."
    )
    page = click.option(
        "--page", type=int, default=1, show_default=True, help="Page of the mark; -1 is the last one."
    )
    return page(corner(command))


@click.command("mark")
@click.argument("files", type=_FILE, nargs=-1, required=True)
@_place_options
@party_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@json_option
def mark(
    files: tuple[Path, ...],
    page: int,
    corner: Corner,
    party_folder: Path | None,
    passphrase_file: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Put a fresh identifier with its QR code on unsigned PDFs; others sign them, then register the result."""
    place = Place(page, corner)
    targets = {file: require_free(_target(file, out, ".marked.pdf"), force=False) for file in files}
    with acting(party_folder, passphrase_file) as at:
        secretary = Secretary(at.api, at.folder.signer(), at.clock)
        for file, target in targets.items():
            content = read_document(file)
            marked(content, "0" * 20, at.folder.base_url, page=place.index, corner=corner)
            (identifier,) = secretary.reserve(1)
            done = marked(content, identifier, at.folder.base_url, page=place.index, corner=corner)
            write_whole(target, done, force=False)
            say({"identifier": identifier, "out": str(target)}, as_json)


@click.command("issue")
@click.argument("files", type=_FILE, nargs=-1, required=True)
@told_options
@click.option(
    "--level",
    type=click.Choice([str(each) for each in Level]),
    help="Of the signature; what the rule asks otherwise.",
)
@_place_options
@party_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@json_option
def issue(
    files: tuple[Path, ...],
    level: str | None,
    page: int,
    corner: Corner,
    party_folder: Path | None,
    passphrase_file: Path | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Mark, sign with the officer's own key, and register FILES: a PDF bears its mark, any other file gets a sheet.

    Who signs besides, or where the rule wants other signers, goes by mark, sign and register instead.
    """
    told = told_by(options)
    if told.kind is None or told.unit is None:
        raise MalformedInput("name kind and unit: --kind and --unit")
    with acting(party_folder, passphrase_file) as at:
        now = at.clock.now()
        rule = DatedRule.default().on(now.date()).kind(told.kind)
        wished = Level(level or rule.level or Level.B_T)
        issuing = _Issuing(at, Secretary(at.api, at.folder.signer(), at.clock), wished, Place(page, corner))
        targets = [issuing.target(file, out) for file in files]
        made = [issuing.make(file, target) for file, target in zip(files, targets, strict=True)]
        named = [
            replace(told, title=told.title or each.source.stem, identifier=each.identifier) for each in made
        ]
        entries = [wanted(each.path, said, now) for each, said in zip(made, named, strict=True)]
        outcomes = register_many(entries, issuing.secretary, Journal(None))
        found = watched(outcomes, len(entries), as_json=as_json)
        unmarked = {each.path: each for each in made if not each.bears_mark}
        for each in found:
            if each.registration is not None and each.file in unmarked:
                write_sheet(each.registration, each.file.name, each.file.parent, at.folder.base_url)
    sys.exit(say_outcomes(found, 0, as_json=as_json))


@dataclass(frozen=True, slots=True)
class _Made:
    """A signed file that is to be registered."""

    source: Path
    path: Path
    identifier: str
    bears_mark: bool


@dataclass(frozen=True, slots=True)
class _Issuing:
    """Marks and signs one file after the other; what is made is there before anything is registered."""

    at: At
    secretary: Secretary
    level: Level
    place: Place

    def target(self, file: Path, out: Path | None) -> Path:
        """Where it will be written; raises MarkImpossible or Conflict before anything is reserved or signed."""
        content = read_document(file)
        if _is_pdf(content):
            self._marked(content, "0" * 20)
        return require_free(
            _target(file, out, ".issued.pdf" if _is_pdf(content) else ".issued.asice"), force=False
        )

    def make(self, file: Path, target: Path) -> _Made:
        """The signed file, written whole."""
        content = read_document(file)
        (identifier,) = self.secretary.reserve(1)
        with self._services() as (signer, services):
            if _is_pdf(content):
                done = self._signed_pdf(self._marked(content, identifier), signer, services)
            else:
                done = self._signed_container(file, signer, services)
        write_whole(target, done, force=False)
        return _Made(file, target, identifier, _is_pdf(content))

    def _marked(self, content: bytes, identifier: str) -> bytes:
        base_url = self.at.folder.base_url
        return marked(content, identifier, base_url, page=self.place.index, corner=self.place.corner)

    def _signed_pdf(self, content: bytes, signer: Signer, services: Services) -> bytes:
        from signing.pdf.signing import sign_pdf

        return sign_pdf(content, signer, self.level, services, at=self.at.clock.now())

    def _signed_container(self, file: Path, signer: Signer, services: Services) -> bytes:
        from signing.ades.asice import sign_container
        from signing.ades.asice_inside import ContainerFile

        target = BytesIO()
        inside = [ContainerFile.of_path(file)]
        sign_container(inside, target, signer, self.level, services, at=self.at.clock.now())
        return target.getvalue()

    @contextmanager
    def _services(self) -> Iterator[tuple[Signer, Services]]:
        """Time stamps of the folder's server, evidence from the addresses in its certificates."""
        folder = self.at.folder
        signer = folder.signer()
        stamps = HttpStamps(f"{folder.base_url.rstrip('/')}/tsa")
        yield signer, Services(stamps, HttpEvidence([folder.anchors.root], signer.chain))


def _is_pdf(content: bytes) -> bool:
    return kind_of(content) == "pdf" and content.lstrip()[:5] == _PDF


def _target(file: Path, out: Path | None, ending: str) -> Path:
    name = file.stem + ending if file.suffix.lower() == ".pdf" else file.name + ending
    return (out or file.parent) / name
