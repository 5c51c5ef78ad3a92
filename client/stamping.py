"""Time stamps of an authority over HTTP (RFC 3161 §3.4), as signatures want them.

Any authority's tokens are taken, also with attributes that our own never have. What is compared: (1) the status;
(2) imprint, nonce and policy are those of the request; (3) the token's signature holds. Whom to trust is judged when
a signature is verified, not here.
"""

from __future__ import annotations

import hashlib
from typing import Any

from client.bounded_http import BoundedHttp, Deadline, FetchFailed, check_url
from kernel.errors import DomainError
from pki import asn1
from pki.errors import TimestampInvalid
from pki.timestamp import MAX_TOKEN_BYTES, make_request_for
from signing.ades.cms_edit import read_parts
from signing.ades.holding import check_holds
from signing.ades.octets import SEQUENCE, children, inside
from signing.errors import DocumentUnreadable, TimestampUnavailable

QUERY_TYPE = "application/timestamp-query"
# granted, and granted with modifications (§2.4.2).
_GRANTED = (b"\x00", b"\x01")


class HttpStamps:
    """A StampSource: each stamp is one request, answered within ``total_seconds`` or not at all.

    ``room`` is what a document has to keep for a token; a longer one is refused here.
    """

    def __init__(
        self,
        url: str,
        *,
        total_seconds: float = 15.0,
        room: int = 16 * 1024,
        http: BoundedHttp | None = None,
    ) -> None:
        """Raises TimestampUnavailable for an address that is not http or https."""
        self.name = url
        self.room = min(room, MAX_TOKEN_BYTES)
        self._total_seconds = total_seconds
        self._http = http or BoundedHttp()
        try:
            check_url(url)
        except FetchFailed as error:
            raise self._unavailable(str(error)) from error

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        """A token that answers this very request; raises TimestampUnavailable naming the service."""
        request = make_request_for(algorithm, digest)
        try:
            answer = self._http.post(
                self.name, request, QUERY_TYPE, Deadline(self._total_seconds), max_bytes=MAX_TOKEN_BYTES
            )
            token = _token_of(answer)  # (1)
            _check_token(token, request)
        except FetchFailed as error:
            raise self._unavailable(str(error)) from error
        except DomainError as error:
            raise self._unavailable(error.detail, **error.fields) from error
        if len(token) > self.room:
            raise self._unavailable("its token is too long", limit=self.room)
        return token

    def _unavailable(self, problem: str, **fields: Any) -> TimestampUnavailable:
        detail = f"the time-stamping service gave no stamp: {problem}"
        return TimestampUnavailable(detail, service=self.name[:200], **fields)


def _token_of(answer: bytes) -> bytes:
    """The token of a granted response, octet for octet: many authorities do not sort their sets as DER wants."""
    try:
        status, *token = children(answer, SEQUENCE)
        number, *more = children(status.raw, SEQUENCE)
        granted = number.content in _GRANTED and len(token) == 1
        texts = inside(more[0]) if more and more[0].tag == SEQUENCE else ()
    except (DocumentUnreadable, ValueError, IndexError) as error:
        raise TimestampInvalid("not a time-stamp response") from error
    if not granted:
        said = "; ".join(each.content.decode("utf-8", "replace") for each in texts)[:200]
        raise TimestampInvalid("no time stamp was granted", answer=said)
    return token[0].raw


def _check_token(token: bytes, request: bytes) -> None:
    parts = read_parts(token)
    content = parts.content or b""
    try:
        asked, info = asn1.decode(asn1.TimeStampRequest, request), asn1.decode(asn1.TimeStampInfo, content)
    except asn1.NotDer as error:
        raise TimestampInvalid("not a time-stamp token") from error
    wanted, given = asked.message_imprint, info.message_imprint
    same = wanted.hash_algorithm.algorithm == given.hash_algorithm.algorithm  # (2)
    same = same and wanted.hashed_message == given.hashed_message and asked.nonce == info.nonce
    if not same or asked.policy not in (None, info.policy):
        raise TimestampInvalid("the response answers another request")
    check_holds(parts, lambda algorithm: hashlib.new(algorithm, content).digest())  # (3)
