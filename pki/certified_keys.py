"""One key, one holder, one use: what may not be certified once more.

A key that is, or was, in a certificate of another party or for another profile is refused, whatever became of that
certificate; and one that was given up as compromised, whoever asks. The same holder's key for the same profile is
certified again only as a renewal (renewal.py). Intents count from the moment they are durable, abandoned ones do not:
no certificate came of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.database import lock_scope
from pki.errors import KeyReused
from pki.orm import CertificateRequestRow, CertificateRow

_KEYS = "pki.keys"
_COMPROMISED = frozenset({"keyCompromise", "cACompromise", "aACompromise"})


def check_keys(session: Session, wanted: Sequence[tuple[CertificateRequestRow, str]]) -> None:
    """Raises KeyReused unless each request's key may be certified for the party beside it.

    One writer after the other looks, so what was found stays true until this transaction ends.
    """
    lock_scope(session, _KEYS)
    keys = {request.spki for request, _party in wanted}
    if len(keys) != len(wanted):
        raise KeyReused("two requests are for one key")
    query = select(
        CertificateRow.spki,
        CertificateRow.party,
        CertificateRow.profile,
        CertificateRow.request,
        CertificateRow.reason,
    ).where(CertificateRow.spki.in_(keys), CertificateRow.state != "abandoned")
    held = list(session.execute(query))
    for request, party in wanted:
        for spki, holder, profile, for_request, reason in held:
            if spki == request.spki and for_request != request.id:
                _judge(request, party, (holder, profile), reason)


def _judge(request: CertificateRequestRow, party: str, held: tuple[str, str], reason: str | None) -> None:
    if reason in _COMPROMISED:
        raise KeyReused("the key was given up as compromised", request=request.id)
    if held != (party, request.profile):
        raise KeyReused("the key is certified for somebody else or for another use", request=request.id)
    if request.renews is None:
        raise KeyReused(
            "the key is certified already: ask for a renewal, or make another", request=request.id
        )
