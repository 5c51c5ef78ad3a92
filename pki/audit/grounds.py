"""Every certificate of a request has its grounds: applied for, approved, and for the key, party and profile of both.

The events of registration are followed in their order, as whoever wrote them could not have the later one first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cryptography import x509

from pki.act_chain import Finding, actor_of
from pki.algorithms import spki_of
from pki.audit.record import AuthorityRecord, CertificateRecord, EventRecord
from pki.profiles import PROFILES
from pki.registry import INSTALLER

_BY_CEREMONY = frozenset({"root", "intermediate", "cross"})


def check_grounds(record: AuthorityRecord) -> Iterator[Finding]:
    """What was approved had been applied for, and what was issued had been approved just so."""
    followed = _Registration(_made_in_ceremonies(record))
    rows = {row.fingerprint: row for row in record.certificates if row.fingerprint}
    for event in record.events:
        yield from followed.take(event, rows)


def check_withdrawals(record: AuthorityRecord) -> Iterator[Finding]:
    """A service's certificate is revoked by one registrar on the proposal of another one, which still stood."""
    rows = {row.fingerprint: row for row in record.certificates if row.fingerprint}
    proposed: dict[str, str] = {}
    for event in record.events:
        row = rows.get(str(event.data.get("fingerprint")))
        if row is None:
            continue
        # Who gives up a key as compromised gives up all its certificates.
        subject = _key_of(row) or str(row.fingerprint)
        if event.fact == "revocation-proposed":
            proposed[subject] = actor_of(event.data)
        elif event.fact == "revocation-withdrawn":
            proposed.pop(subject, None)
        elif event.fact == "certificate-revoked" and _needs_two(row):
            proposer = proposed.get(subject)
            if proposer in (None, actor_of(event.data)):
                yield Finding("four-eyes-broken", _about(event), "no other registrar had proposed it")


class _Registration:
    """What is known of each request, as the events come by."""

    def __init__(self, made: frozenset[str]) -> None:
        self._made = made
        self._keys: dict[str, str] = {}
        self._applied: dict[str, str] = {}
        self._granted: dict[str, Mapping[str, Any]] = {}

    def take(self, event: EventRecord, rows: Mapping[str, CertificateRecord]) -> Iterator[Finding]:
        subject, data = str(event.content["subject"]), event.data
        if event.fact == "certificate-requested":
            self._keys[subject] = str(data.get("key"))
        elif event.fact == "certificate-applied":
            self._applied[subject] = str(data.get("digest"))
        elif event.fact == "certificate-renewal-asked":
            self._granted[subject] = data
        elif event.fact == "certificate-rejected":
            self._granted.pop(subject, None)
        elif event.fact == "certificate-approved":
            self._granted[subject] = data
            yield from self._approved(event, subject)
        elif event.fact == "certificate-issued":
            yield from self._issued(event, rows.get(str(data.get("fingerprint"))))

    def _approved(self, event: EventRecord, subject: str) -> Iterator[Finding]:
        application = event.data.get("application")
        if application is None and actor_of(event.data) == INSTALLER:
            if self._applied:
                yield Finding(
                    "approval-unfounded", _about(event), "registrars were there, and none applied for it"
                )
        elif self._applied.get(subject) != application:
            yield Finding("approval-unfounded", _about(event), "nobody had entered that application")

    def _issued(self, event: EventRecord, row: CertificateRecord | None) -> Iterator[Finding]:
        request = event.data.get("request")
        if request is None:
            made = str(event.data.get("fingerprint")) in self._made
            if actor_of(event.data) != INSTALLER or not (made or _is_own(event.data.get("profile"))):
                yield Finding("issued-unfounded", _about(event), "no request and no ceremony led to it")
            return
        granted = self._granted.get(str(request))
        if granted is None:
            yield Finding("issued-unfounded", _about(event), f"nobody had approved request {request}")
            return
        differing = [name for name in ("party", "profile") if granted.get(name) != event.data.get(name)]
        if row is not None and _key_of(row) not in (None, self._keys.get(str(request))):
            differing.append("key")
        if differing:
            yield Finding("issued-unfounded", _about(event), f"approved with another {', '.join(differing)}")


def _needs_two(row: CertificateRecord) -> bool:
    return row.profile not in _BY_CEREMONY and _is_own(row.profile)


def _is_own(profile: object) -> bool:
    """Whether the installation gives itself such certificates, and nobody asks for them."""
    known = PROFILES.get(str(profile))
    return known is None or not known.from_outside


def _made_in_ceremonies(record: AuthorityRecord) -> frozenset[str]:
    """Whose operators signed for them; the record has their certificates before it has the ceremony."""
    told = (event.data.get("certificates") for event in record.events if event.fact == "ceremony-held")
    return frozenset(str(each) for made in told if isinstance(made, list) for each in made)


def _key_of(row: CertificateRecord) -> str | None:
    """None for what cannot be read, which other checks name."""
    try:
        return None if row.der is None else spki_of(x509.load_der_x509_certificate(row.der).public_key())
    except ValueError:
        return None


def _about(event: EventRecord) -> str:
    return f"{event.fact} {event.id}"
