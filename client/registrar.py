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

    def revoke(self, fingerprint: str, reason: str, *, invalid_since: str | None = None) -> dict[str, Any]:
        """Revoke a certificate by the SHA-256 of its DER, for a reason of RFC 5280 §5.3.1."""
        return self._api.post(f"/pki/certificates/{fingerprint}/revoke", _verdict(reason, invalid_since))

    def revoke_party(self, party: str, reason: str, *, invalid_since: str | None = None) -> dict[str, Any]:
        """Revoke every certificate of a party."""
        return self._api.post(f"/pki/parties/{party}/revoke", _verdict(reason, invalid_since))

    def suspend(self, fingerprint: str) -> dict[str, Any]:
        """Put a certificate on hold."""
        return self._api.post(f"/pki/certificates/{fingerprint}/suspend")

    def resume(self, fingerprint: str) -> dict[str, Any]:
        """Lift the hold of a certificate."""
        return self._api.post(f"/pki/certificates/{fingerprint}/resume")

    def propose_revocation(
        self, fingerprint: str, reason: str, *, invalid_since: str | None = None
    ) -> dict[str, Any]:
        """Propose the revocation of an authority's or a service's certificate to another registrar."""
        path = f"/pki/certificates/{fingerprint}/revocation-proposals"
        return self._api.post(path, _verdict(reason, invalid_since))

    def revocation_proposals(self) -> dict[str, Any]:
        """What waits for a second registrar."""
        return self._api.get("/pki/revocation-proposals")

    def confirm_revocation(self, proposal: str) -> dict[str, Any]:
        """Revoke what another registrar proposed."""
        return self._api.post(f"/pki/revocation-proposals/{proposal}/confirm")

    def withdraw_revocation(self, proposal: str) -> dict[str, Any]:
        """Take a proposal back."""
        return self._api.post(f"/pki/revocation-proposals/{proposal}/withdraw")


def _verdict(reason: str, invalid_since: str | None) -> dict[str, Any]:
    return {"reason": reason} if invalid_since is None else {"reason": reason, "invalid_since": invalid_since}
