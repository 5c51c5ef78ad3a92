"""The custodian's process as the server calls it: every call is bounded in time and size."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from kernel.canonical import from_base64, to_base64
from kernel.errors import DomainError, MalformedInput, Unavailable
from kernel.tls import tls_authorities

_MAX_ANSWER_BYTES = 64 << 20
_MAX_DOCUMENT_BYTES = 32 << 20


class CustodianRefused(DomainError):
    """The custodian said no; ``custodian_code`` in ``fields`` is the code of its own refusal."""

    code = "custodian-refused"


class CustodianClient:
    """Implements ``procurement.ports.Custodian``; ``token`` is the shared secret that lets the server in.

    ``crls`` gives the revocation lists that go with a request, so that the custodian can judge certificates;
    they are signed, so it need not trust this side for them.
    """

    def __init__(
        self, url: str, token: str, crls: Callable[[], list[bytes]], *, timeout_seconds: float = 30.0
    ) -> None:
        self._crls = crls
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=timeout_seconds,
            trust_env=False,
            verify=tls_authorities(),
            headers={"Authorization": f"Bearer {token}"},
        )

    def create_keys(self, tender: str) -> dict[str, Any]:
        """Certificate, chain and public keys for a tender, as the custodian states them."""
        return self._json("POST", "/keys", {"tender": tender})

    def countersign(self, key_set: bytes, signatures: Mapping[str, bytes]) -> bytes:
        """The custodian's signature over a key set that all its members have signed."""
        body = {
            "key_set": {
                "document": to_base64(key_set),
                "signatures": {party: to_base64(each) for party, each in signatures.items()},
            },
        }
        answer = self._json("POST", "/countersign", self._with_crls(body))
        return from_base64(str(answer.get("signature", "")))

    def release(self, package: dict[str, Any]) -> tuple[bytes, bytes]:
        """Document and signature of ``mohr/release/v1``."""
        return _signed(self._json("POST", "/release", {"package": self._with_crls(package)}))

    def destroy(self, request: dict[str, Any]) -> tuple[bytes, bytes]:
        """Document and signature of ``mohr/key-destruction/v1``."""
        return _signed(self._json("POST", "/destroy", self._with_crls(request)))

    def journal_checkpoint(self) -> str:
        """The newest head of the custodian's journal, a signed note."""
        return self._call("GET", "/journal/checkpoint").decode("utf-8")

    def journal_entries(self) -> str:
        """The journal, one entry a line in base64."""
        return self._call("GET", "/journal/entries").decode("utf-8")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _with_crls(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"crls": [to_base64(each) for each in self._crls()], **body}

    def _json(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _object(self._call(method, path, body))

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        """Send once: every act of the custodian may be repeated, but that is for the caller to decide."""
        try:
            with self._http.stream(method, path, json=body) as response:
                received = bytearray()
                for part in response.iter_bytes():
                    received += part
                    if len(received) > _MAX_ANSWER_BYTES:
                        raise Unavailable("the custodian's answer is too long")
        except httpx.HTTPError as error:
            raise Unavailable(f"the custodian does not answer: {type(error).__name__}") from error
        if response.status_code >= 300:
            raise _refusal(response.status_code, bytes(received))
        return bytes(received)


def _object(data: bytes) -> dict[str, Any]:
    # The answer may hold signed documents of any size; its own form is checked by whoever reads its fields.
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unavailable("the custodian's answer is not JSON") from error
    if not isinstance(value, dict):
        raise Unavailable("the custodian's answer is not an object")
    return value


def _signed(value: dict[str, Any]) -> tuple[bytes, bytes]:
    try:
        document = from_base64(value["document"], max_bytes=_MAX_DOCUMENT_BYTES)
        return document, from_base64(value["signature"])
    except (KeyError, MalformedInput) as error:
        raise Unavailable("the custodian's answer is not a signed document") from error


def _refusal(status: int, body: bytes) -> DomainError:
    try:
        problem = _object(body)
    except Unavailable:
        problem = {}
    detail = str(problem.get("detail", "no reason given"))[:500]
    code = str(problem.get("code", f"http-{status}"))[:64]
    if status >= 500 or status == 401:
        return Unavailable(f"the custodian cannot answer now: {detail}", custodian_code=code)
    known = {"type", "title", "status", "detail", "code", "custodian_code"}
    fields = {name: value for name, value in problem.items() if name.isidentifier() and name not in known}
    fields.pop("article", None)
    return CustodianRefused(f"the custodian refuses: {detail}", custodian_code=code, **fields)
