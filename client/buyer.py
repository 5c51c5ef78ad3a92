"""What the buyer's officer and the approver do: draft, approve, key set, and the notice, read before it is signed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from client.errors import DraftDiffers, FolderInvalid
from client.session import PartySession, checking
from kernel.canonical import canonical_bytes, from_base64, parse_canonical
from kernel.errors import MalformedInput
from procurement.published import read_key_set
from procurement.rules.events import KeySetPublished
from procurement.rules.notice import Notice, NoticeDraft, draft_from

MAX_SKEW = timedelta(minutes=10)


class Buyer:
    """A buyer's officer; every draft is kept in the folder, to be compared with what comes back for signing."""

    def __init__(self, session: PartySession) -> None:
        self._session = session

    def draft(self, fields: dict[str, Any]) -> str:
        """Enter a draft (the notice without what server and publication add); returns the tender's id."""
        answer = self._session.api.post("/tenders", fields)
        tender, ocid = str(answer["id"]), str(answer["ocid"])
        entered = {"fields": fields, "ocid": ocid}
        self._session.folder.write_json(f"drafts/{tender}.json", entered)
        self._expected(tender)
        return tender

    def submit_for_approval(self, tender: str) -> dict[str, Any]:
        """Hand the draft to the approver."""
        return self._session.api.post(f"/tenders/{tender}/submit-for-approval")

    def compose_key_set(self, tender: str) -> bytes:
        """Have the key set composed of the commission's and the custodian's keys; members countersign it then."""
        answer = self._session.api.post(f"/tenders/{tender}/key-set")
        return from_base64(answer["document"])

    def review_notice(self, tender: str) -> Notice:
        """The notice as the server composed it, if it says what was drafted and names a complete key set.

        Raises DraftDiffers, which names the differing fields, or NotVerified for the key set.
        """
        notice = Notice.parse(document_of(self._session.api.get(f"/tenders/{tender}/notice/draft")))
        drafted = self._expected(tender).to_json()
        composed = notice.draft.to_json()
        differing = sorted(name for name in drafted if composed[name] != drafted[name])
        if differing:
            raise DraftDiffers("the composed notice says something else than the draft", differing=differing)
        if abs(notice.published_at - self._session.clock.now()) > MAX_SKEW:
            raise DraftDiffers("the notice is dated far from now", differing=["published_at"])
        self._check_key_set(tender, notice)
        return notice

    def publish(self, tender: str) -> str:
        """Review, sign and publish; returns the digest of the notice."""
        notice = self.review_notice(tender)
        wire = self._session.sign(notice.to_json())
        self._session.folder.write_json(f"drafts/{tender}.notice.json", dict(wire))
        self._session.api.post(f"/tenders/{tender}/publish", dict(wire))
        return notice.digest

    def close(self, tender: str) -> dict[str, Any]:
        """Return what was never opened and have the custodian destroy its keys."""
        return self._session.api.post(f"/tenders/{tender}/close")

    def _expected(self, tender: str) -> NoticeDraft:
        kept = self._session.folder.read_json(f"drafts/{tender}.json")
        if kept is None:
            raise FolderInvalid("the draft of this tender is not in the folder", tender=tender[:64])
        demo = self._session.folder.anchors.demo
        return draft_from(kept["fields"], tender=tender, ocid=kept["ocid"], demo=demo)

    def _check_key_set(self, tender: str, notice: Notice) -> None:
        trust = self._session.trust()
        wire = self._session.published(f"/tenders/{tender}/key-set")
        with checking("key-set"):
            key_set = read_key_set(wire, trust, notice=notice, now=self._session.clock.now())
            self._session.require_logged(wire, KeySetPublished, tender, key_set.digest)


class Approver:
    """The second pair of eyes on a draft."""

    def __init__(self, session: PartySession) -> None:
        self._session = session

    def review(self, tender: str) -> dict[str, Any]:
        """The tender as it waits for approval, with its terms."""
        return self._session.api.get(f"/tenders/{tender}/draft")

    def approve(self, tender: str) -> dict[str, Any]:
        """Approve; the server refuses whoever entered the draft."""
        return self._session.api.post(f"/tenders/{tender}/approve")


def document_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The unsigned document that a server proposes, given as base64 of its bytes or as the object itself."""
    document = answer.get("document")
    if isinstance(document, str):
        return parse_canonical(from_base64(document, max_bytes=32 << 20), max_bytes=32 << 20)
    if isinstance(document, dict):
        canonical_bytes(document)
        return document
    raise MalformedInput("the answer holds no document")
