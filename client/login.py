"""Logging in: a single-use challenge of the server, bound to its origin, signed with the party's key."""

from __future__ import annotations

from urllib.parse import urlsplit

from client.errors import NotVerified
from client.folder import PartyFolder
from client.http import ApiClient
from kernel.canonical import to_base64
from kernel.clock import Clock
from signing.login import prove_login


def log_in(folder: PartyFolder, api: ApiClient, clock: Clock) -> str:
    """A fresh session token. Refuses a challenge for another origin, which a man in the middle would relay."""
    answer = api.post("/auth/challenges", anonymous=True)
    challenge, origin = str(answer["challenge"]), str(answer["origin"])
    if origin_of(origin) != origin_of(folder.base_url):
        raise NotVerified("origin", "the challenge was made for another address", origin=origin[:200])
    signature = prove_login(challenge, origin, folder.signer(), at=clock.now())
    body = {"challenge": challenge, "signature": to_base64(signature)}
    return str(api.post("/auth/sessions", body, anonymous=True)["token"])


def open_api(folder: PartyFolder, clock: Clock, *, timeout_seconds: float = 20.0) -> ApiClient:
    """A connection to the folder's server that logs in by itself when it is asked to."""
    return ApiClient(
        folder.base_url,
        timeout_seconds=timeout_seconds,
        log_in=lambda api: log_in(folder, api, clock),
    )


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address (RFC 6454 §4), with the scheme's own port filled in."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port
