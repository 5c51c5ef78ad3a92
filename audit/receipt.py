"""The receipt that a bidder kept: the log must hold its leaf, or somebody took it out."""

from __future__ import annotations

from collections.abc import Mapping

from audit.evidence import LoggedTree
from audit.report import Finding
from kernel.canonical import from_base64, parse_json
from kernel.clock import parse_utc
from kernel.errors import DomainError
from pki.trust import TrustStore
from procurement.published import read_signed, require_service
from transparency.commitment import disclosed_leaf_hash


def check_receipt(
    data: bytes,
    trust: TrustStore,
    log: LoggedTree,
    server: str | None,
    closings: Mapping[str, frozenset[str]],
) -> None:
    """The receipt is of the server that sealed the folder, leads to its leaf, and that leaf is in the log.

    ``closings`` holds the leaves of each closing list by tender: what was received must be on it.
    A bidder's own seal would do for a service's; so it counts whose it is, or anybody could accuse the server.
    """
    try:
        wire = parse_json(data)
        document, signature = from_base64(wire["document"]), from_base64(wire["signature"])
        claimed = parse_json(document)
        at = parse_utc(claimed["received_at"])
        signed = read_signed(document, signature, trust, type_="mohr/receipt/v1", now=at, party=server)
        require_service(signed.certificate)
    except (DomainError, KeyError, TypeError) as error:
        raise Finding("the receipt is not one of this server's") from error
    value = signed.document
    content = value["content"]
    if any(content[name] != value[name] for name in ("act", "tender", "digest", "received_at")):
        raise Finding("the receipt says something else than the content that it discloses")
    if disclosed_leaf_hash(value["content"], value["salt"]) != value["leaf_hash"]:
        raise Finding("the receipt does not lead to the leaf that it names")
    if value["leaf_hash"] not in log.by_leaf:
        raise Finding(
            f"the server signed for a {value['act']} of {value['bidder']} that its log does not hold:"
            " it was dropped"
        )
    listed = closings.get(value["tender"])
    if value["act"] != "refusal" and listed is not None and value["leaf_hash"] not in listed:
        raise Finding(
            f"the server signed for a {value['act']} of {value['bidder']} that the closing list does not name:"
            " it was dropped"
        )
