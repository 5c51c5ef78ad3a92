"""How what relying parties fetch is answered: plain HTTP, cached by anybody, asked again by its tag (RFC 9110 §13)."""

from __future__ import annotations

import re

from fastapi import Request, Response

from kernel.canonical import sha256_hex

CERTIFICATE_TYPE = "application/pkix-cert"
CRL_TYPE = "application/pkix-crl"
# A certificate of an authority does not change under its name, except when the authority gets a new one.
CERTIFICATE_SECONDS = 3600
# A revocation should be known soon: lists are asked for again after so long.
CRL_SECONDS = 30
_MAX_TAGS = 2048
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def published(request: Request, body: bytes, media_type: str, seconds: int) -> Response:
    """The answer with tag and lifetime, or 304 without a body for who has these bytes already."""
    tag = sha256_hex(body)[:32]
    headers = {
        "ETag": f'"{tag}"',
        "Cache-Control": f"public, max-age={seconds}",
    }
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _has(tags: str, tag: str) -> bool:
    return tags.strip() == "*" or tag in _TAG.findall(tags[:_MAX_TAGS])
