"""What is published is valid by the schemas of OCDS 1.1.5, patterns and formats included, and merged by its rules."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.unit.transparency.ocds_stories import BASE, STORIES, packages
from transparency.ocds_extension import extension_file
from transparency.ocds_merge import compile_release, version_release

FOLDER = "standard-1__1__5/schema"
# Named by official extensions and defined by others that the folder does not hold.
REFERRED_TO = ("Location", "SubmissionTerms")


def merge_patch(target: Any, patch: Any) -> Any:
    """JSON Merge Patch (RFC 7396), by which OCDS extensions change the schema."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


class Schemas:
    """The standard with the declared extensions applied, all from files."""

    def __init__(self, folder: Path) -> None:
        with zipfile.ZipFile(folder / "standard-1__1__5.zip") as archive:
            self._files = {name: archive.read(name) for name in archive.namelist()}
        loaded = [self._load(name) for name in ("release-package-schema", "record-package-schema")]
        release = self._load("release-schema")
        release["definitions"] |= {name: {"type": "object"} for name in REFERRED_TO}
        for patch in _patches(folder):
            release = merge_patch(release, patch)
        loaded += [release, self._load("versioned-release-validation-schema")]
        self.release = release
        self._registry: Registry[Any] = Registry().with_resources(
            (each["id"], DRAFT4.create_resource(each)) for each in loaded
        )
        self.release_package, self.record_package = loaded[0], loaded[1]

    def errors(self, value: Any, schema: dict[str, Any]) -> list[str]:
        validator = Draft4Validator(schema, registry=self._registry, format_checker=FormatChecker())
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def _load(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self._files[f"{FOLDER}/{name}.json"])
        return loaded


@pytest.fixture(scope="module")
def schemas(shared_data: Path) -> Schemas:
    return Schemas(shared_data / "ocds")


@pytest.mark.parametrize("name", STORIES)
def test_every_package_is_valid(schemas: Schemas, name: str) -> None:
    """Each release package and the record package of every story have no validation error."""
    *releases, record = packages(name)

    assert [schemas.errors(package, schemas.release_package) for package in releases] == [[]] * len(releases)
    assert schemas.errors(record, schemas.record_package) == []


def test_the_validator_would_notice(schemas: Schemas) -> None:
    """A status outside its codelist, an empty id and a lot without an id are errors to this validator."""
    release = next(packages("awarded"))["releases"][0]
    broken = [
        {**release, "tender": {**release["tender"], "status": "running"}},
        {**release, "tag": ["tendered"]},
        {**release, "ocid": ""},
        {**release, "tender": {**release["tender"], "lots": [{"title": "no id"}]}},
    ]

    assert all(schemas.errors(each, schemas.release) for each in broken)


def _patches(folder: Path) -> Iterator[dict[str, Any]]:
    for name in ("lots", "bid", "bidOpening", "participationFee"):
        with zipfile.ZipFile(folder / f"ocds_{name}_extension.zip") as archive:
            yield json.loads(archive.read(f"ocds_{name}_extension/release-schema.json"))
    yield json.loads(extension_file("release-schema.json", BASE))


@pytest.mark.parametrize(("kind", "merge"), [("compiled", compile_release), ("versioned", version_release)])
def test_merged_releases_agree_with_the_reference(shared_data: Path, kind: str, merge: Any) -> None:
    """Our merge gives the compiled and the versioned release that the reference implementation gives, for each of
    its fixtures."""
    expected = sorted((shared_data / "ocds/ocds-merge/tests/fixtures/1.1").glob(f"*-{kind}.json"))
    differing = [
        path.name
        for path in expected
        if merge(json.loads(path.with_name(path.name.replace(f"-{kind}", "")).read_bytes()))
        != json.loads(path.read_bytes())
    ]

    assert len(expected) == 17
    assert differing == []


def test_the_fictional_example_is_compiled_as_published(shared_data: Path) -> None:
    """Six real-looking releases from planning to implementation merge into the published compiled release."""
    folder = shared_data / "ocds/fictional-example/1.1"
    releases = [json.loads(path.read_bytes())["releases"][0] for path in sorted(folder.glob("*-0?-*.json"))]
    path = folder / "record/ocds-213czf-000-00001.json"
    compiled = json.loads(path.read_bytes())["records"][0]["compiledRelease"]

    assert len(releases) == 6
    ours = compile_release(releases)
    assert {key: ours[key] for key in ("tender", "awards", "planning")} == {
        key: compiled[key] for key in ("tender", "awards", "planning")
    }
