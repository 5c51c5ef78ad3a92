"""One key, one holder, one use: what may not be certified once more.

A key that is, or was, in a certificate of another party or for another profile is refused, whatever became of that
certificate; and one that was given up as compromised, whoever asks. The same holder's key for the same profile is
certified again only as a renewal (renewal.py). Intents count from the moment they are durable, abandoned ones do not:
no certificate came of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.database import lock_scope
from pki.errors import KeyReused
from pki.orm import CertificateRow

KEYS = "pki.keys"
_COMPROMISED = frozenset({"keyCompromise", "cACompromise", "aACompromise"})


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A request's key (SHA-256 of its SubjectPublicKeyInfo), and who shall have it certified for what."""

    request: str
    spki: str
    party: str
    profile: str
    is_renewal: bool = False


@dataclass(frozen=True, slots=True)
class HeldKey:
    """What the record has of a key."""

    spki: str | None
    party: str
    profile: str
    request: str | None
    state: str
    reason: str | None


def check_keys(session: Session, wanted: Sequence[WantedKey]) -> None:
    """Raises KeyReused unless each key may be certified.

    One writer after the other looks, so what was found stays true until this transaction ends.
    """
    lock_scope(session, KEYS)
    query = select(
        CertificateRow.spki,
        CertificateRow.party,
        CertificateRow.profile,
        CertificateRow.request,
        CertificateRow.state,
        CertificateRow.reason,
    ).where(CertificateRow.spki.in_([each.spki for each in wanted]))
    judge_keys(wanted, [HeldKey(*row) for row in session.execute(query)])


def judge_keys(wanted: Sequence[WantedKey], held: Iterable[HeldKey]) -> None:
    """As ``check_keys``, by what was found."""
    by_key = {each.spki: each for each in wanted}
    if len(by_key) != len(wanted):
        raise KeyReused("two requests are for one key")
    for found in held:
        asked = by_key.get(found.spki or "")
        if asked is not None and found.request != asked.request and found.state != "abandoned":
            _judge(asked, found)


def _judge(asked: WantedKey, found: HeldKey) -> None:
    if found.reason in _COMPROMISED:
        raise KeyReused("the key was given up as compromised", request=asked.request)
    if (found.party, found.profile) != (asked.party, asked.profile):
        raise KeyReused("the key is certified for somebody else or for another use", request=asked.request)
    if not asked.is_renewal:
        raise KeyReused(
            "the key is certified already: ask for a renewal, or make another", request=asked.request
        )
