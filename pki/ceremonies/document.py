"""A ceremony's file (TOML, ``mohr/ceremony/v1``): read strictly, with the files it names.

Every field is in ``FIELDS`` and in docs/ceremonies.md; an unknown one, a missing one or one of another kind is
refused. Files are named relative to the folder of the ceremony's file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel.canonical import from_base64, sha256_hex, to_base64
from kernel.errors import LimitExceeded, MalformedInput, NotFound
from pki.ceremonies.operators import public_bytes, read_public_key
from pki.issuers import ISSUER_NAME, OperatorEntry

TYPE = "mohr/ceremony/v1"
MAX_FILE_BYTES = 64 << 10
MAX_INPUT_BYTES = 4 << 20
MAX_OPERATORS = 16
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
OPERATOR_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ISSUER = re.compile(ISSUER_NAME)
_KEY_KINDS = ("P-256", "P-384")


@dataclass(frozen=True, slots=True)
class Field:
    """``form``: ``text``, ``file`` (its content becomes an input), ``files``, ``issuer``, or the values allowed."""

    form: str | tuple[str, ...]
    required: bool = True


_SUBJECT = {
    "organization": Field("text"),
    "party": Field("text"),
    "common_name": Field("text", required=False),
}
_KEY_KIND = Field(_KEY_KINDS, required=False)
_KEY_PLACE = Field(("here", "apart"), required=False)
FIELDS: Mapping[str, Mapping[str, Field]] = {
    "root": {**_SUBJECT, "key_kind": _KEY_KIND, "key": _KEY_PLACE},
    "intermediate": {**_SUBJECT, "key_kind": _KEY_KIND},
    "request": {**_SUBJECT, "key_kind": _KEY_KIND},
    "certificate": {
        "root": Field("file"),
        "chain": Field("files", required=False),
        "certificate": Field("file"),
        "list": Field("file", required=False),
    },
    "cross": {
        "issuer": Field("issuer"),
        "subject": Field("issuer", required=False),
        "request": Field("file", required=False),
    },
    "rekey": {"authority": Field("issuer"), "key_kind": _KEY_KIND, "key": _KEY_PLACE},
    "crl": {"authority": Field("issuer")},
    "revoke": {
        "authority": Field("issuer"),
        "reason": Field(("keyCompromise", "cACompromise", "superseded", "cessationOfOperation")),
        "list": Field("file", required=False),
    },
    "certify": {
        "profile": Field(("service-seal", "person-signing")),
        "request": Field("file"),
        "party": Field("text"),
        "name": Field("text"),
        "organization": Field("text", required=False),
    },
    "handover": {},
}
_TOP = frozenset({"ceremony", "id", "kind", "operators", "authority"})


@dataclass(frozen=True)
class CeremonyFile:
    """``content``: the file as read; ``inputs``: the bytes of every file that it names, by field."""

    id: str
    kind: str
    operators: tuple[OperatorEntry, ...]
    content: dict[str, Any]
    inputs: dict[str, bytes]

    @property
    def details(self) -> dict[str, Any]:
        """The section of the kind."""
        section: dict[str, Any] = self.content[self.kind]
        return section

    @property
    def successors(self) -> tuple[OperatorEntry, ...]:
        """Of a handover: the operators from then on."""
        return _operators(self.details["operators"])

    def text(self, name: str, default: str | None = None) -> str | None:
        """A field of the section."""
        value = self.details.get(name, default)
        return None if value is None else str(value)

    def digests(self) -> dict[str, str]:
        """SHA-256 of every input, by field."""
        return {name: sha256_hex(data) for name, data in sorted(self.inputs.items())}


def read_ceremony(path: Path) -> CeremonyFile:
    """Raises NotFound, LimitExceeded or MalformedInput naming what is off."""
    data = _content(path, MAX_FILE_BYTES)
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput(f"the file of the ceremony is not TOML: {error}") from error
    return parse_ceremony(content, path.parent)


def parse_ceremony(content: dict[str, Any], folder: Path) -> CeremonyFile:
    """The same from the parsed content; files are read from ``folder``."""
    if content.get("ceremony") != TYPE:
        raise MalformedInput(f'a ceremony begins with ceremony = "{TYPE}"')
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise MalformedInput("no such kind of ceremony", kind=str(kind)[:32], kinds=sorted(FIELDS))
    _refuse_unknown(content, _TOP | {kind}, "the file")
    if ID.fullmatch(str(content.get("id"))) is None:
        raise MalformedInput("id: 1 to 64 small letters, digits and dashes, never used before")
    section = content.get(kind)
    if not isinstance(section, dict):
        raise MalformedInput(f"the section [{kind}] is missing")
    inputs = _check_handover(section) if kind == "handover" else _check_section(kind, section, folder)
    _check_authority(content)
    return CeremonyFile(content["id"], kind, _operators(content.get("operators")), content, inputs)


def _check_section(kind: str, section: dict[str, Any], folder: Path) -> dict[str, bytes]:
    _refuse_unknown(section, set(FIELDS[kind]), f"[{kind}]")
    inputs: dict[str, bytes] = {}
    for name, field in FIELDS[kind].items():
        if name not in section:
            if field.required:
                raise MalformedInput(f"[{kind}] lacks {name}")
            continue
        value = section[name]
        if field.form == "files":
            if (
                not isinstance(value, list)
                or len(value) > 4
                or not all(isinstance(each, str) for each in value)
            ):
                raise MalformedInput(f"{name}: a list of at most 4 files")
            for number, each in enumerate(value):
                inputs[f"{name}-{number}"] = _input(folder, each)
            continue
        _check_text(name, value, field.form)
        if field.form == "file":
            inputs[name] = _input(folder, value)
    return inputs


def _check_text(name: str, value: object, form: str | tuple[str, ...]) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= 256:
        raise MalformedInput(f"{name}: a text of 1 to 256 characters")
    if isinstance(form, tuple) and value not in form:
        raise MalformedInput(f"{name}: one of {', '.join(form)}")
    if form == "issuer" and _ISSUER.fullmatch(value) is None:
        raise MalformedInput(f"{name}: the short name of an authority, such as intermediate-2")


def _check_handover(section: dict[str, Any]) -> dict[str, bytes]:
    _refuse_unknown(section, {"operators"}, "[handover]")
    _operators(section.get("operators"))
    return {}


def _check_authority(content: dict[str, Any]) -> None:
    """``[authority]`` belongs to the ceremony that begins an authority."""
    section = content.get("authority")
    if section is None:
        return
    if content["kind"] not in ("root", "request") or not isinstance(section, dict):
        raise MalformedInput("[authority] stands only where an authority begins")
    _refuse_unknown(section, {"demo", "base_url"}, "[authority]")
    if not isinstance(section.get("demo", False), bool):
        raise MalformedInput("demo: true or false")
    if "base_url" in section:
        _check_text("base_url", section["base_url"], "text")


def _operators(value: object) -> tuple[OperatorEntry, ...]:
    """At least two, of different names and different keys."""
    if not isinstance(value, list) or not 2 <= len(value) <= MAX_OPERATORS:
        raise MalformedInput("a ceremony names at least two operators")
    entries = tuple(_operator(each) for each in value)
    if len({each.name for each in entries}) < len(entries) or len(
        {each.public_key for each in entries}
    ) < len(entries):
        raise MalformedInput("the same operator or the same key is named twice")
    return entries


def _operator(value: object) -> OperatorEntry:
    if not isinstance(value, dict):
        raise MalformedInput("an operator has a name and a public_key")
    _refuse_unknown(value, {"name", "public_key"}, "an operator")
    name, text = value.get("name"), value.get("public_key")
    if not isinstance(name, str) or OPERATOR_NAME.fullmatch(name) is None or not isinstance(text, str):
        raise MalformedInput("an operator has a name (small letters, digits, dashes) and a public_key")
    key = read_public_key(from_base64(text, max_bytes=4096))
    return OperatorEntry(name, to_base64(public_bytes(key)))


def _refuse_unknown(section: Mapping[str, object], known: set[str] | frozenset[str], where: str) -> None:
    unknown = sorted(set(section) - known)
    if unknown:
        raise MalformedInput(f"{where} has fields that are not known", unknown=unknown[:8])


def _input(folder: Path, name: str) -> bytes:
    """A plain file below the folder of the ceremony's file, also where links lead; raises MalformedInput."""
    try:
        path = (folder / name).resolve()
        is_inside = path.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise MalformedInput("a file of the ceremony has no such name") from error
    if not is_inside or (path.exists() and not path.is_file()):
        raise MalformedInput("a file of the ceremony lies in its folder, and is a file", path=name[:256])
    return _content(path, MAX_INPUT_BYTES)


def _content(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise NotFound("a file of the ceremony cannot be read", path=str(path)) from error
    if len(data) > limit:
        raise LimitExceeded("a file of the ceremony is too long", path=str(path), limit_bytes=limit)
    return data
