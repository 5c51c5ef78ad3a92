"""OCDS packages: who publishes, and releases and records as the JSON bytes that are served and audited."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from transparency.ocds_call import DEMO_TITLE
from transparency.ocds_extension import POLICY_PATH, extensions

VERSION = "1.1"
PUBLIC_DOMAIN = "https://creativecommons.org/publicdomain/zero/1.0/"


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes, under which licence, and where packages are found; ``demo`` marks its name.

    ``policy`` is the address of a publication policy of the publisher's own, else ours is named.
    """

    name: str
    base_uri: str
    demo: bool
    scheme: str | None = None
    uid: str | None = None
    policy: str | None = None
    licence: str = PUBLIC_DOMAIN

    def to_json(self) -> dict[str, Any]:
        name = DEMO_TITLE + self.name if self.demo else self.name
        named = {"name": name, "scheme": self.scheme, "uid": self.uid, "uri": self.base_uri}
        return {key: value for key, value in named.items() if value is not None}


def release_package(release: Mapping[str, Any], number: int, publisher: Publisher) -> dict[str, Any]:
    """A package of one release; ``number`` counts the releases of its ocid from 1."""
    uri = release_uri(publisher, release["ocid"], number)
    return {**_head(uri, release["date"], publisher), "releases": [release]}


def record_package(record: Mapping[str, Any], publisher: Publisher) -> dict[str, Any]:
    """A package of one record, dated as its newest release."""
    ocid = record["ocid"]
    uri = f"{publisher.base_uri}/ocds/records/{ocid}.json"
    packages = [release_uri(publisher, ocid, number + 1) for number in range(len(record["releases"]))]
    head = _head(uri, record["compiledRelease"]["date"], publisher)
    return {**head, "packages": packages, "records": [record]}


def release_uri(publisher: Publisher, ocid: str, number: int) -> str:
    """Where the package of a release is found."""
    return f"{publisher.base_uri}/ocds/releases/{ocid}/{number}.json"


def to_bytes(value: Any) -> bytes:
    """JSON in UTF-8 with sorted keys; decimals are written digit by digit, never through a float."""
    return _text(value).encode()


def from_bytes(data: bytes) -> dict[str, Any]:
    """Read what ``to_bytes`` wrote; numbers with a fraction come back as decimals."""
    value: dict[str, Any] = json.loads(data, parse_float=Decimal)
    return value


def _head(uri: str, published: str, publisher: Publisher) -> dict[str, Any]:
    return {
        "uri": uri,
        "version": VERSION,
        "extensions": extensions(publisher.base_uri),
        "publishedDate": published,
        "publisher": publisher.to_json(),
        "license": publisher.licence,
        "publicationPolicy": publisher.policy or f"{publisher.base_uri}{POLICY_PATH}",
    }


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        members = (f"{json.dumps(key, ensure_ascii=False)}:{_text(value[key])}" for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(_text(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        raise TypeError("published amounts are decimals, not floats")
    return json.dumps(value, ensure_ascii=False)
