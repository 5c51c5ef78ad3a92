"""What is published is valid OCDS 1.1.5, by its own schemas and closed codelists, read offline."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.unit.transparency.tender_events import event, story
from transparency.ocds import TenderState, evolve, record_for, release_for
from transparency.ocds_merge import compile_release
from transparency.ocds_package import Publisher, from_bytes, record_package, release_package, to_bytes

FOLDER = "standard-1__1__5/schema"
ENDED = {"ground": "g", "article": None, "reason": "no budget"}
STORIES = {
    "awarded": story(),
    "demo": story(demo=True, estimate=None, price_opening_at=None, method="limited_tender"),
    "cancelled": [*story()[:4], event("tender-cancelled", 9, ENDED)],
    "unsuccessful": [*story()[:8], event("tender-unsuccessful", 9, ENDED)],
}


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
    """The standard with the lots extension applied, all from files."""

    def __init__(self, folder: Path) -> None:
        with zipfile.ZipFile(folder / "standard-1__1__5.zip") as archive:
            self._files = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(folder / "ocds_lots_extension.zip") as archive:
            lots = json.loads(archive.read("ocds_lots_extension/release-schema.json"))
        loaded = [self._load(name) for name in ("release-package-schema", "record-package-schema")]
        release = merge_patch(self._load("release-schema"), lots)
        loaded += [release, self._load("versioned-release-validation-schema")]
        self.release = release
        self._registry: Registry[Any] = Registry().with_resources(
            (each["id"], DRAFT4.create_resource(each)) for each in loaded
        )
        self.release_package, self.record_package = loaded[0], loaded[1]

    def errors(self, value: Any, schema: dict[str, Any]) -> list[str]:
        validator = Draft4Validator(schema, registry=self._registry, format_checker=FormatChecker())
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def codes(self, codelist: str) -> set[str]:
        rows = csv.DictReader(io.StringIO(self._files[f"{FOLDER}/codelists/{codelist}"].decode()))
        return {row["Code"] for row in rows}

    def _load(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self._files[f"{FOLDER}/{name}.json"])
        return loaded


@pytest.fixture(scope="module")
def schemas(shared_data: Path) -> Schemas:
    return Schemas(shared_data / "ocds")


def published(name: str) -> Iterator[dict[str, Any]]:
    state = TenderState()
    for each in STORIES[name]:
        state = evolve(state, each)
        release = release_for(each, state)
        if release is not None:
            yield release


@pytest.mark.parametrize("name", STORIES)
def test_every_package_is_valid(schemas: Schemas, name: str) -> None:
    """Each release package and the record package of four stories have no validation error."""
    publisher = Publisher("Municipality of Tehran", "https://mohr.example", demo=name == "demo", uid="1")
    releases = list(published(name))
    for number, release in enumerate(releases, start=1):
        package = from_bytes(to_bytes(release_package(release, number, publisher)))
        assert schemas.errors(package, schemas.release_package) == []
    record = from_bytes(to_bytes(record_package(record_for(releases), publisher)))

    assert schemas.errors(record, schemas.record_package) == []


def test_the_validator_would_notice(schemas: Schemas) -> None:
    """A status outside its codelist, an empty id and a lot without an id are errors to this validator."""
    release = next(published("awarded"))
    broken = [
        {**release, "tender": {**release["tender"], "status": "running"}},
        {**release, "tag": ["tendered"]},
        {**release, "ocid": ""},
        {**release, "tender": {**release["tender"], "lots": [{"title": "no id"}]}},
    ]

    assert all(schemas.errors(each, schemas.release) for each in broken)


@pytest.mark.parametrize("name", STORIES)
def test_codes_come_from_the_codelists(schemas: Schemas, name: str) -> None:
    """Tags, methods, roles, milestone types and statuses are words of the OCDS codelists, open ones too."""
    for release in published(name):
        tender = release.get("tender", {})
        milestones = tender.get("milestones", [])
        documents = tender.get("documents", [])
        assert set(release["tag"]) <= schemas.codes("releaseTag.csv")
        assert {role for party in release.get("parties", []) for role in party["roles"]} <= schemas.codes(
            "partyRole.csv"
        )
        assert {each["type"] for each in milestones} <= schemas.codes("milestoneType.csv")
        assert {each["status"] for each in milestones} <= schemas.codes("milestoneStatus.csv")
        assert {each["documentType"] for each in documents} <= schemas.codes("documentType.csv")
        assert set(tender.get("submissionMethod", [])) <= schemas.codes("submissionMethod.csv")
        assert {tender[key] for key in ("awardCriteria",) if key in tender} <= schemas.codes(
            "awardCriteria.csv"
        )


def test_fields_are_known_to_the_schema(schemas: Schemas) -> None:
    """No release holds a field that OCDS and the lots extension do not define for that place."""
    unknown = [path for name in STORIES for release in published(name) for path in _unknown(release, schemas)]

    assert unknown == []


def _unknown(release: dict[str, Any], schemas: Schemas) -> Iterator[str]:
    definitions = schemas.release["definitions"]

    def walk(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        if isinstance(value, list):
            for item in value:
                yield from walk(item, schema.get("items", {}), path)
        elif isinstance(value, dict):
            for key, item in value.items():
                if key not in schema.get("properties", {}):
                    yield f"{path}.{key}"
                else:
                    yield from walk(item, schema["properties"][key], f"{path}.{key}")

    return walk(release, schemas.release, "")


def test_compiled_releases_agree_with_the_reference(shared_data: Path) -> None:
    """Our merge gives the compiled release that the reference implementation gives, for each of its fixtures."""
    expected = sorted((shared_data / "ocds/ocds-merge/tests/fixtures/1.1").glob("*-compiled.json"))
    differing = [
        path.name
        for path in expected
        if compile_release(json.loads(path.with_name(path.name.replace("-compiled", "")).read_bytes()))
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
