"""Merging OCDS releases into a compiled and a versioned release, by the rules of the OCDS 1.1 documentation.

A newer value replaces the older one, null removes it, objects are merged field by field, lists of objects with
an ``id`` object by object, and all other lists are replaced whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Lists of objects that the release schema marks with wholeListMerge, or whose objects have no id.
_REPLACED_WHOLE = frozenset({"additionalIdentifiers", "additionalClassifications", "changes", "identifiers"})
_NOT_MERGED = frozenset({"ocid", "id", "date", "tag"})


def compile_release(releases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The compiled release of the releases of one ocid, which are merged in the order of their dates."""
    ordered = sorted(releases, key=lambda release: str(release["date"]))
    last = ordered[-1]
    merged: dict[str, Any] = {}
    for release in ordered:
        _merge_fields(merged, {key: value for key, value in release.items() if key not in _NOT_MERGED})
    return {
        "ocid": last["ocid"],
        "id": f"{last['ocid']}-{last['date']}",
        "date": last["date"],
        "tag": ["compiled"],
        **merged,
    }


def _merge_fields(target: dict[str, Any], source: dict[str, Any]) -> None:
    for key, value in source.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge_object(target, key, value)
        elif isinstance(value, list) and _merged_by_id(key, value, target.get(key)):
            _merge_by_id(target, key, value)
        elif value or key in target or key in _REPLACED_WHOLE or not isinstance(value, list):
            target[key] = value


def _merge_object(target: dict[str, Any], key: str, value: dict[str, Any]) -> None:
    present = target.get(key)
    merged = present if isinstance(present, dict) else {}
    _merge_fields(merged, value)
    if merged:
        target[key] = merged


def _merged_by_id(key: str, value: list[Any], present: Any) -> bool:
    if key in _REPLACED_WHOLE:
        return False
    sample = value or (present if isinstance(present, list) else [])
    return all(isinstance(item, dict) for item in sample) and any("id" in item for item in sample)


def _merge_by_id(target: dict[str, Any], key: str, value: list[dict[str, Any]]) -> None:
    merged: list[dict[str, Any]] = target.setdefault(key, [])
    by_id = {item["id"]: item for item in merged if "id" in item}
    for item in value:
        present = by_id.get(item.get("id"))
        if present is None:
            present = {}
            merged.append(present)
            if "id" in item:
                by_id[item["id"]] = present
        _merge_fields(present, item)


def version_release(releases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The versioned release: beside each field every value it has had, with the release that gave it."""
    ordered = sorted(releases, key=lambda release: str(release["date"]))
    versioned: dict[str, Any] = {"ocid": ordered[-1]["ocid"]}
    for release in ordered:
        given = {
            "releaseID": release["id"],
            "releaseDate": release["date"],
            "releaseTag": release["tag"],
        }
        fields = {key: value for key, value in release.items() if key not in _NOT_MERGED}
        _version_fields(versioned, fields, given)
    return versioned


def _version_fields(target: dict[str, Any], source: dict[str, Any], given: dict[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, dict):
            child = target.get(key, {})
            _version_fields(child, value, given)
            if child:
                target[key] = child
        elif isinstance(value, list) and not value and key not in _REPLACED_WHOLE:
            continue
        elif isinstance(value, list) and _merged_by_id(key, value, None):
            _version_by_id(target.setdefault(key, []), value, given)
        else:
            history: list[dict[str, Any]] = target.setdefault(key, [])
            if not history or history[-1]["value"] != value:
                history.append({**given, "value": value})


def _version_by_id(items: list[dict[str, Any]], source: list[dict[str, Any]], given: dict[str, Any]) -> None:
    by_id = {item["id"]: item for item in items if "id" in item}
    for each in source:
        present = by_id.get(each.get("id"))
        if present is None:
            present = {"id": each["id"]} if "id" in each else {}
            items.append(present)
            by_id[each.get("id")] = present
        _version_fields(present, {key: value for key, value in each.items() if key != "id"}, given)
