"""The custodian's process as the server calls it: every call bounded in time and size, refusals kept as they are."""

from __future__ import annotations

from typing import Any

import httpx

from kernel.errors import DomainError

_MAX_ANSWER_BYTES = 64 << 20
_MAX_DOCUMENT_BYTES = 32 << 20


class CustodianRefused(DomainError):
    """The custodian said no; ``code`` is the code of its own refusal."""

    code = "custodian-refused"

    def __init__(self, code: str, detail: str, **fields: Any) -> None:
        super().__init__(detail, custodian_code=code, **fields)


class CustodianClient:
    """Implements ``procurement.ports.Custodian``; ``token`` is the shared secret that lets the server in."""

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 30.0) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=timeout_seconds,
            trust_env=False,
            headers={"Authorization": f"Bearer {token}"},
        )
