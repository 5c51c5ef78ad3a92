"""How a party comes to its certificates: keys made here, requests sent, certificates fetched, and renewed."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from client.folder import PartyFolder, Use
from client.http import ApiClient
from kernel.canonical import sha256_hex
from kernel.clock import Clock
from kernel.errors import NotFound
from pki.algorithms import fingerprint_of
from pki.papers import Renewal
from signing.documents import sign_document, to_wire

_REQUESTS = "requests.json"


def request_certificates(folder: PartyFolder, api: ApiClient, profiles: dict[Use, str]) -> dict[str, str]:
    """Make the keys and send one request per use, e.g. ``{"signing": "person-signing"}``.

    Returns the request identifiers by use. A use whose request was sent before is not sent again, so the
    step can be repeated after any interruption.
    """
    requests = dict(folder.read_json(_REQUESTS) or {})
    for use, profile in profiles.items():
        if use in requests:
            continue
        folder.make_key(use)
        requests[use] = send_request(folder, api, use, profile, folder.certificate_request(use))
    return requests


def send_request(folder: PartyFolder, api: ApiClient, use: Use, profile: str, csr: bytes) -> str:
    """Send a request (PEM) and keep its identifier, and the bytes, for what follows."""
    body = {"profile": profile, "csr": csr.decode("ascii")}
    request = str(api.post("/pki/requests", body, anonymous=True)["id"])
    folder.write(f"{use}.csr.pem", csr)
    folder.write_json(_REQUESTS, {**(folder.read_json(_REQUESTS) or {}), use: request})
    return request


def request_digests(folder: PartyFolder) -> dict[str, str]:
    """Each request that was sent with the digest of its CSR, which the applicant tells the registrar."""
    return {
        str(request): digest_of_request((folder.path / f"{use}.csr.pem").read_bytes())
        for use, request in (folder.read_json(_REQUESTS) or {}).items()
    }


def digest_of_request(csr: bytes) -> str:
    """SHA-256 of the DER of a request in PEM."""
    return sha256_hex(x509.load_pem_x509_csr(csr).public_bytes(Encoding.DER))


def renew_certificate(
    folder: PartyFolder, api: ApiClient, clock: Clock, use: Use, *, rekey: bool
) -> dict[str, Any]:
    """Ask for the certificate after the present one and install it; a rekey is for a new key.

    The new key takes the present one's place only when its certificate is here; the step can be repeated after any
    interruption.
    """
    answer = folder.read_json(_next(use, "json"))
    if answer is None:
        signer, present = folder.signer(), fingerprint_of(folder.certificate(use))
        if rekey:
            folder.make_key(use, staged=True)
        csr = x509.load_pem_x509_csr(_kept_request(folder, use, rekey))
        wish = Renewal(present, csr.public_bytes(Encoding.DER), rekey)
        answer = api.post("/pki/renewals", to_wire(sign_document(wish.to_document(), signer, clock.now())))
        folder.write_json(_next(use, "json"), answer)
    certified = x509.load_pem_x509_certificate(answer["certificate"].encode("ascii")).public_key()
    # A staged key may have been left by a rekey that was refused, before this renewal for the present key.
    if folder.has_staged_key(use) and certified == folder.key(use, staged=True).public_key():
        folder.take_staged_key(use)
    _install(folder, use, answer)
    for name in (_next(use, "csr.pem"), _next(use, "json")):
        (folder.path / name).unlink(missing_ok=True)
    return answer


def _kept_request(folder: PartyFolder, use: Use, rekey: bool) -> bytes:
    """The same bytes at each attempt for the same key, so that a repeated one is recognised."""
    kept = folder.path / _next(use, "csr.pem")
    wanted = folder.key(use, staged=rekey).public_key()
    if not kept.exists() or x509.load_pem_x509_csr(kept.read_bytes()).public_key() != wanted:
        folder.write(kept.name, folder.certificate_request(use, staged=rekey))
    return kept.read_bytes()


def _next(use: Use, kind: str) -> str:
    return f"{use}.next.{kind}"


def collect_certificates(folder: PartyFolder, api: ApiClient) -> list[Use]:
    """Fetch and install what was issued; returns the uses that still wait for the registrar."""
    requests = folder.read_json(_REQUESTS)
    if requests is None:
        raise NotFound("no certificate was requested from this folder")
    waiting: list[Use] = []
    uses: tuple[Use, ...] = ("signing", "encryption")
    for use in uses:
        if use not in requests:
            continue
        answer = api.get(f"/pki/requests/{requests[use]}")
        if answer.get("certificate") is None:
            waiting.append(use)
            continue
        _install(folder, use, answer)
    return waiting


def _install(folder: PartyFolder, use: Use, answer: dict[str, Any]) -> None:
    certificate = answer["certificate"].encode("ascii")
    folder.install(use, certificate, [each.encode("ascii") for each in answer["chain"]])
