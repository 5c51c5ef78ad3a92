"""How a party comes to its certificates: keys made here, requests sent, certificates fetched once issued."""

from __future__ import annotations

from typing import Any

from client.folder import PartyFolder, Use
from client.http import ApiClient
from kernel.errors import NotFound

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
        body = {"profile": profile, "csr": folder.certificate_request(use).decode("ascii")}
        requests[use] = str(api.post("/pki/requests", body, anonymous=True)["id"])
        folder.write_json(_REQUESTS, requests)
    return requests


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
