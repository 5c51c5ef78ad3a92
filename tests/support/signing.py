"""Time stamps and evidence of an authority in memory, as signatures of any level want them."""

from __future__ import annotations

from pki.timestamp import make_request_for, token_of_response
from signing.ades.known_evidence import KnownEvidence
from signing.ades.services import Services
from tests.support.authority import MemoryAuthority


class MemoryStamps:
    """A StampSource that asks the authority in process."""

    name = "this authority"
    room = 8192

    def __init__(self, authority: MemoryAuthority) -> None:
        self._authority = authority

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        request = make_request_for(algorithm, digest)
        return token_of_response(self._authority.tsa.respond(request), request)


def services_of(authority: MemoryAuthority) -> Services:
    """Stamps and fresh revocation lists of that authority."""
    return Services(
        MemoryStamps(authority), KnownEvidence([authority.root], [authority.intermediate], authority.crls)
    )
