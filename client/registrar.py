"""What the registrar does: registers parties and roles, issues after the identity was seen, revokes."""

from __future__ import annotations

from typing import Any, Literal

from client.http import ApiClient


class Registrar:
    """A registrar's actions over a connection that is logged in as one."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def register_party(
        self, party: str, name: str, *, kind: Literal["person", "organisation"], roles: list[str]
    ) -> dict[str, Any]:
        """Enter a party with its roles."""
        return self._api.post(
            "/identity/parties", {"party": party, "name": name, "kind": kind, "roles": roles}
        )

    def issue(
        self, request: str, party: str, name: str, *, organization: str | None = None
    ) -> dict[str, Any]:
        """Issue the requested certificate to ``party``; the subject is the registrar's, never the request's."""
        body = {"party": party, "name": name, "organization": organization}
        return self._api.post(f"/pki/requests/{request}/issue", body)

    def revoke(self, fingerprint: str, reason: str) -> dict[str, Any]:
        """Revoke a certificate by the SHA-256 of its DER, for a reason of RFC 5280 §5.3.1."""
        return self._api.post(f"/pki/certificates/{fingerprint}/revoke", {"reason": reason})
