"""What a schema cannot say of a package of open contracting data: whether it hangs together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

Json = dict[str, Any]


def remarks(package: Json) -> Iterator[str]:
    """One line for each thing that does not hang together; the uri of the package stands before it."""
    releases = package.get("releases") or package["records"][0]["releases"]
    found = list(_of_package(package))
    found += [f"{release['id']}: {remark}" for release in releases for remark in _of_release(release)]
    if "records" in package:
        found += _of_record(package["records"][0])
    yield from (f"{package['uri']}: {remark}" for remark in found)


def _of_package(package: Json) -> Iterator[str]:
    for name in ("uri", "license", "publicationPolicy", "publishedDate", "publisher", "extensions"):
        if not package.get(name):
            yield f"no {name}"
    if not {"name", "uri", "uid"} <= set(package["publisher"]):
        yield "the publisher is not named in full"


def _of_release(release: Json) -> Iterator[str]:
    """A release by itself: later ones repeat what they refer to only where it has no id of its own."""
    if release["language"] != "fa" or release["initiationType"] != "tender":
        yield "language or initiationType"
    parties = {party["id"]: set(party["roles"]) for party in release["parties"]}
    for place, role, reference in _references(release):
        if role not in parties.get(reference["id"], set()):
            yield f"{place}: {reference['id']} is no party with role {role}"
        if not reference.get("name"):
            yield f"{place}: {reference['id']} has no name"
    for path, value in _walk(release, ""):
        if isinstance(value, dict) and "amount" in value and not value.get("currency"):
            yield f"{path}: an amount without currency"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            ids = [each.get("id") for each in value]
            if len(set(ids)) != len(ids) or None in ids:
                yield f"{path}: ids are missing or repeated"
        if path.endswith("/documents"):
            yield from (f"{path}: {each['id']} lacks {name}" for each in value for name in _lacking(each))
        if path.endswith("/milestones"):
            yield from (
                f"{path}: {each['id']}" for each in value if (each["status"] == "met") != ("dateMet" in each)
            )


def _lacking(document: Json) -> list[str]:
    """All but the opening records are public and have an address."""
    names = {"title", "format", "datePublished", "documentType", "digest", "language"}
    if document["documentType"] != "openingRecord":
        names.add("url")
    return sorted(names - {name for name, value in document.items() if value})


def _references(release: Json) -> Iterator[tuple[str, str, Json]]:
    yield "buyer", "buyer", release["buyer"]
    tender = release.get("tender", {})
    if "procuringEntity" in tender:
        yield "tender/procuringEntity", "procuringEntity", tender["procuringEntity"]
    for reference in tender.get("tenderers", []):
        yield "tender/tenderers", "tenderer", reference
    for bid in release.get("bids", {}).get("details", []):
        for reference in bid.get("tenderers", []):
            yield "bids/tenderers", "tenderer", reference
    for award in release.get("awards", []):
        for reference in award.get("suppliers", []):
            yield "awards/suppliers", "supplier", reference


def _of_record(record: Json) -> Iterator[str]:
    releases, compiled = record["releases"], record["compiledRelease"]
    ids = [release["id"] for release in releases]
    if len(set(ids)) != len(ids) or compiled["id"] in ids:
        yield "ids of releases are repeated"
    if {release["ocid"] for release in [*releases, compiled, record["versionedRelease"]]} != {record["ocid"]}:
        yield "another ocid"
    if releases[0]["tag"] != ["tender"] or compiled["tag"] != ["compiled"]:
        yield "tags"
    for earlier, later in pairwise(releases):
        if _instant(later["date"]) < _instant(earlier["date"]):
            yield f"{later['id']}: dates are not in order"
    yield from _of_release({**compiled, "language": "fa"})
    yield from _in_time(compiled)
    yield from _related(compiled)
    entries = [entry["sequence"] for entry in compiled["logEntries"]]
    if entries != sorted(entries) or len(entries) != len(releases):
        yield "a release without its log entry"
    history = record["versionedRelease"]["tender"]["status"]
    if history[-1]["value"] != compiled["tender"]["status"] or history[0]["releaseID"] != ids[0]:
        yield "the history of the status is another"


def _in_time(compiled: Json) -> Iterator[str]:
    tender = compiled["tender"]
    period = tender["tenderPeriod"]
    start, end = _instant(period["startDate"]), _instant(period["endDate"])
    if not start < end <= _instant(tender["bidOpening"]["date"]):
        yield "the tender period and the opening are not in order"
    for bid in _listed(compiled):
        if not start <= _instant(bid["date"]) <= end:
            yield f"bid {bid['id']} is outside the tender period"
    for award in compiled.get("awards", []):
        if _instant(award["date"]) <= end:
            yield f"award {award['id']} is before the end of the tender period"


def _listed(compiled: Json) -> list[Json]:
    """The bids that the closing list named; one too long for its event names none."""
    return [bid for bid in compiled.get("bids", {}).get("details", []) if "date" in bid]


def _related(compiled: Json) -> Iterator[str]:
    lots = {lot["id"] for lot in compiled["tender"]["lots"]}
    bids = {bid["id"]: bid for bid in _listed(compiled)}
    for bid in bids.values():
        if not set(bid["relatedLots"]) <= lots or not bid["tenderers"]:
            yield f"bid {bid['id']}: lot or tenderer"
    for award in compiled.get("awards", []):
        if not set(award["relatedLots"]) <= lots or not set(award.get("relatedBids", ())) <= set(bids):
            yield f"award {award['id']}: lot or bid"
        for related in award.get("relatedBids", ()):
            if bids[related]["value"] != award["value"] or bids[related]["tenderers"] != award["suppliers"]:
                yield f"award {award['id']}: another price or bidder than its bid"


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from _walk(child, f"{path}/{key}")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
