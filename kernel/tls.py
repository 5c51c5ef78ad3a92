"""Which authorities a TLS client of this process trusts: one list for all of them."""

from __future__ import annotations

import ssl
from functools import lru_cache

import httpx


@lru_cache(maxsize=1)
def tls_authorities() -> ssl.SSLContext:
    """Reading the list of authorities takes a twentieth of a second, so all clients of a process share it."""
    return httpx.create_ssl_context(trust_env=False)
