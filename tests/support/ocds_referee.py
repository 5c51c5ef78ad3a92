"""libcoveocds as a referee, fully offline: every address it asks for is served from files, or the test fails.

The standard and the extensions come from the folder of published data. Two official extensions that others only
refer to (for locations, for submission terms) are not in it; definitions without fields stand in for them, so a field
of theirs in a package would be reported as one that nobody defines. The schema of the versioned release is served
as ocdsextensionregistry makes it from the extended one: the standard's own knows no extension.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from libcoveocds.api import ocds_json_output
from libcoveocds.config import LibCoveOCDSConfig
from ocdsextensionregistry import ProfileBuilder
from ocdsextensionregistry.exceptions import VersionedReleaseTypeWarning
from ocdsextensionregistry.util import session as cached_session
from ocdsextensionregistry.versioned_release_schema import get_versioned_release_schema
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.sessions import Session
from urllib3 import HTTPResponse

from transparency.ocds_extension import FILES, PATH, extension_file

Json = dict[str, Any]
_ARCHIVE = re.compile(
    r"https://github\.com/open-contracting-extensions/(?P<name>\w+)/archive/(?P<commit>[0-9a-f]{40})\.zip"
)
_STANDARD = "https://standard.open-contracting.org/schema/1__1__5"
_STAND_INS = {"ocds_location_extension": "Location", "ocds_submissionTerms_extension": "SubmissionTerms"}
TAG = "1__1__5"


@dataclass
class LocalFiles(HTTPAdapter):
    """Answers the addresses that packages name, from files; remembers what else was asked for."""

    folder: Path
    base_uri: str
    served: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    versioned: Callable[[], bytes] = bytes

    def __post_init__(self) -> None:
        super().__init__()

    # requests looks adapters up by identity only.
    __hash__ = object.__hash__

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """One answer, never from the network."""
        address = str(request.url)
        found = self._find(address)
        (self.served.add if found is not None else self.refused.append)(address)
        raw = HTTPResponse(
            body=io.BytesIO(found or b""),
            status=404 if found is None else 200,
            reason="Not Found" if found is None else "OK",
            preload_content=False,
            request_url=address,
        )
        return self.build_response(request, raw)

    def _find(self, address: str) -> bytes | None:
        archive = _ARCHIVE.fullmatch(address)
        if archive is not None:
            return self._extension(archive["name"], archive["commit"])
        if address == f"{_STANDARD}/versioned-release-validation-schema.json":
            return self.versioned()
        # An address in a request is percent-encoded.
        own = address.replace("%2B", "+").removeprefix(f"{self.base_uri}{PATH}/")
        return extension_file(own, self.base_uri) if own in FILES else None

    def _extension(self, name: str, commit: str) -> bytes | None:
        """The archive of one extension, if it is of the very commit that is asked for."""
        if name in _STAND_INS:
            return _stand_in(name, _STAND_INS[name])
        path = self.folder / f"{name}.zip"
        if not path.is_file():
            return None
        with zipfile.ZipFile(path) as archive:
            return path.read_bytes() if archive.comment.decode() == commit else None


@dataclass(frozen=True)
class Referee:
    """Judges packages; ``files`` knows what it asked for."""

    files: LocalFiles
    standard: str

    def judge(self, package: Json) -> Json:
        """Everything libcoveocds says of a package."""
        config = LibCoveOCDSConfig({"standard_zip": self.standard, "context": "api"})
        self.files.versioned = lambda: json.dumps(self.versioned_schema(package["extensions"])).encode()
        with tempfile.TemporaryDirectory() as folder:
            report: Json = ocds_json_output(folder, json_data=package, lib_cove_ocds_config=config)
        return report

    def versioned_schema(self, extensions: list[str]) -> Json:
        """The schema of a versioned release in which these extensions are applied."""
        builder = ProfileBuilder(TAG, extensions, standard_base_url=self.standard)
        with warnings.catch_warnings():
            # Official extensions have fields of one type, where the tool has come to expect null beside it.
            warnings.simplefilter("ignore", VersionedReleaseTypeWarning)
            schema: Json = get_versioned_release_schema(builder.patched_release_schema(), TAG)
        return schema


def offline_referee(folder: Path, base_uri: str, patch: pytest.MonkeyPatch) -> Referee:
    """A referee for the packages of the publisher at ``base_uri``; ``patch`` takes it back afterwards."""
    files = LocalFiles(folder, base_uri)
    patch.setattr(Session, "get_adapter", lambda session, url: files)
    cached_session.cache.clear()
    return Referee(files, f"file://{folder}/standard-{TAG}.zip")


def faults(report: Json) -> Json:
    """What is wrong in a report; empty when nothing is. Nothing that libcoveocds checks is left out.

    A failed extension or an unresolved reference raises no error by itself, and codes outside a closed list stand
    apart from the errors.
    """
    extensions = report["extensions"]
    found = {
        "errors": report["validation_errors"],
        "closed codelists": report["additional_closed_codelist_values"],
        "open codelists": report["additional_open_codelist_values"],
        "fields nobody defines": report["additional_fields"],
        "deprecated fields": report["deprecated_fields"],
        "ocids": report.get("conformance_errors"),
        "references": report.get("json_deref_error"),
        "additional checks": report["additional_checks"],
        "extensions that failed": extensions["invalid_extension"],
        "codelists that failed": [each for each in extensions["extensions"] if each["failed_codelists"]],
        "common errors": report["common_error_types"],
    }
    if not extensions["is_extended_schema"]:
        found["not extended"] = True
    return {name: value for name, value in found.items() if value}


def _stand_in(name: str, definition: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(f"{name}/", "")
        archive.writestr(f"{name}/extension.json", json.dumps({"name": {"en": name}, "codelists": []}))
        schema = {"definitions": {definition: {"title": definition, "type": "object", "properties": {}}}}
        archive.writestr(f"{name}/release-schema.json", json.dumps(schema))
    return written.getvalue()
