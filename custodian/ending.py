"""When a tender's keys may be destroyed: a majority of those present in its last session has signed its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from custodian.errors import EndNotProven
from kernel.canonical import from_base64, parse_canonical
from kernel.errors import DomainError
from pki.trust import TrustStore
from procurement.package import MAX_DOCUMENT_BYTES, require_majority
from procurement.published import read_key_set, read_notice
from procurement.rules.notice import Notice


def require_end(
    tender: str,
    request: Mapping[str, Any],
    *,
    countersigned: frozenset[str],
    present: Mapping[str, tuple[str, ...] | None],
    trust: TrustStore,
    now: datetime,
) -> None:
    """The award, or a decision that accepts nobody, signed by a majority; raises EndNotProven.

    ``countersigned`` are the digests of the key sets this custodian stands behind, ``present`` who sat in
    each stage that it released, None for the others. The document must be about a stage that it released.
    """
    try:
        notice = _notice(tender, request, countersigned, trust, now)
        name = "award" if request.get("award") else "decision"
        wire = request[name]
        document = from_base64(wire["document"], max_bytes=MAX_DOCUMENT_BYTES)
        value = parse_canonical(document, max_bytes=MAX_DOCUMENT_BYTES)
        if (value["type"], value["tender"]) != (f"mohr/{name}/v1", tender):
            raise EndNotProven("the document is for another tender")
        if name == "decision" and any(result["accepted"] for result in value["results"]):
            raise EndNotProven("a decision that accepts somebody ends nothing")
        stage = "C" if name == "award" else str(value["stage"])
        sat = present.get(stage)
        if sat is None:
            raise EndNotProven("that stage was never opened", stage=stage)
        require_majority(document, wire["signatures"], notice, sat, trust, now, check=5)
    except EndNotProven:
        raise
    except DomainError as error:
        raise EndNotProven(error.detail, cause=error.code) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise EndNotProven("a part of the request is missing or malformed") from error


def _notice(
    tender: str, request: Mapping[str, Any], countersigned: frozenset[str], trust: TrustStore, now: datetime
) -> Notice:
    """The notice with its key set, judged as of its publication, as in ``procurement.package``."""
    document = from_base64(request["notice"]["document"])
    at = min(Notice.parse(parse_canonical(document)).published_at, now)
    published = read_notice(document, from_base64(request["notice"]["signature"]), trust, now=at)
    if published.notice.tender != tender:
        raise EndNotProven("the notice is for another tender")
    read_key_set(request["key_set"], trust, notice=published.notice, now=at)
    if published.notice.key_set_digest not in countersigned:
        raise EndNotProven("this custodian never countersigned that key set")
    return published.notice
