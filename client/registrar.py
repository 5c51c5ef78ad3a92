"""What registrars do: enter parties and roles, apply for those seen, decide on what another entered, revoke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from client.http import ApiClient
from kernel.canonical import sha256_hex
from kernel.clock import Clock
from kernel.ids import new_secret
from pki.names import Subject
from pki.papers import Application, Decision, Evidence
from signing.cms import Signer
from signing.documents import sign_document, to_wire


class Registrar:
    """A registrar's actions over a connection that is logged in as one; what he answers for, he signs."""

    def __init__(self, api: ApiClient, signer: Signer, clock: Clock) -> None:
        self._api = api
        self._signer = signer
        self._clock = clock

    def register_party(
        self, party: str, name: str, *, kind: Literal["person", "organisation"], roles: list[str]
    ) -> dict[str, Any]:
        """Enter a party with its roles."""
        return self._api.post(
            "/identity/parties", {"party": party, "name": name, "kind": kind, "roles": roles}
        )

    def apply(self, requests: Mapping[str, str], subject: Subject, evidence: Sequence[Evidence]) -> str:
        """Enter what was established of the subject; returns the application's digest, which another decides on.

        ``requests`` maps each request to the digest of its CSR, as the applicant named it, or as ``digests`` reads it.
        """
        application = Application(subject, requests, evidence, new_secret().hex())
        return str(self._send("/pki/applications", application.to_document())["application"])

    def decide(self, application: str, *, reason: str | None = None, issue: bool = False) -> dict[str, Any]:
        """Approve what another registrar entered, or reject it for a reason; ``issue``: certify it at once."""
        decision = Decision(application, reason is None, reason)
        return self._send("/pki/decisions", decision.to_document(), issue=issue)

    def digests(self, requests: Sequence[str]) -> dict[str, str]:
        """Each request with the digest of its CSR, as the server has it."""
        return {each: str(self._api.get(f"/pki/requests/{each}")["csr"]) for each in requests}

    def application(self, digest: str) -> dict[str, Any]:
        """An application with its papers."""
        return self._api.get(f"/pki/applications/{digest}")

    def issue(self, requests: Sequence[str]) -> dict[str, Any]:
        """Certify approved requests, all of them or none."""
        return self._api.post("/pki/issue", {"requests": list(requests)})

    def hand_over(self, request: str) -> None:
        """Record that the holder has his certificate."""
        self._api.post(f"/pki/requests/{request}/hand-over")

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

    def seen(self, kind: str, description: str, scan: bytes) -> Evidence:
        """Evidence that is seen now; only the digest of the scan goes into the application."""
        return Evidence(kind, description, sha256_hex(scan), self._clock.now())

    def _send(self, path: str, document: dict[str, Any], **more: Any) -> dict[str, Any]:
        signed = sign_document(document, self._signer, self._clock.now())
        return self._api.post(path, {**to_wire(signed), **more})


class RegistrationOffice:
    """Two registrars at one desk: the first enters, the second approves, and what is approved is issued."""

    def __init__(self, first: Registrar, second: Registrar) -> None:
        self.first = first
        self.second = second

    def certify(self, requests: Mapping[str, str], subject: Subject, evidence: Sequence[Evidence]) -> None:
        """Four eyes in two calls; ``requests`` as for ``Registrar.apply``."""
        application = self.first.apply(requests, subject, evidence)
        self.second.decide(application, issue=True)


def _verdict(reason: str, invalid_since: str | None) -> dict[str, Any]:
    return {"reason": reason} if invalid_since is None else {"reason": reason, "invalid_since": invalid_since}
