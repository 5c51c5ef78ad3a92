"""Revocations stand in rows, events and current lists alike; lists have rising numbers and their own bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from cryptography import x509

from kernel.canonical import sha256_hex
from kernel.clock import format_utc, parse_utc
from pki.act_chain import Finding
from pki.audit.record import AuthorityRecord, CertificateRecord, EventRecord, ListRecord

_AFTERWARDS = {
    "certificate-revoked": "revoked",
    "certificate-suspended": "suspended",
    "certificate-resumed": "issued",
}
_OFF = frozenset({"revoked", "suspended"})
# What tells lists of one authority apart, in the events that announce them.
_SCOPE_FIELDS = ("kind", "delta", "shard", "scope")
_DELTA = b"delta"
# A list says when it was made in whole seconds.
_WHOLE_SECOND = timedelta(seconds=1)


def check_revocations(record: AuthorityRecord) -> Iterator[Finding]:
    """What the events say of each certificate is what its row says, and what the current lists say."""
    last = {str(event.data.get("fingerprint")): event for event in record.events if event.fact in _AFTERWARDS}
    listed = _Listed(record)
    for row in record.certificates:
        event = last.get(row.fingerprint or "")
        yield from _check_state(row, event)
        yield from listed.check(row, event)
    yield from listed.check_others(record)


def check_lists(record: AuthorityRecord) -> Iterator[Finding]:
    """Numbers rise from event to event, and the newest list of each event's kind is kept as it was announced."""
    announced: dict[str, dict[tuple[str, ...], EventRecord]] = {}
    for event in record.events:
        if event.fact != "revocation-list-issued":
            continue
        issuer, number = str(event.data.get("issuer")), _number_of(event)
        scope = tuple(str(event.data.get(name)) for name in _SCOPE_FIELDS)
        before = announced.setdefault(issuer, {}).get(scope)
        if before is not None and number <= _number_of(before):
            yield Finding(
                "list-number-not-rising", f"list {number} of {issuer}", "the one before has no lower number"
            )
        announced[issuer][scope] = event
    digests = {sha256_hex(each.der) for each in record.lists}
    for issuer, newest in announced.items():
        for event in newest.values():
            if str(event.data.get("digest")) not in digests:
                where = f"list {_number_of(event)} of {issuer}"
                yield Finding("list-missing", where, "no list has the bytes that were announced")
    told = {
        str(event.data.get("digest")) for event in record.events if event.fact == "revocation-list-issued"
    }
    for each in record.lists:
        if sha256_hex(each.der) not in told:
            where = f"list {each.number} of {each.issuer}"
            yield Finding("list-without-event", where, "no event announces these bytes")


class _Listed:
    """The serial numbers on the newest list of each scope of each authority."""

    def __init__(self, record: AuthorityRecord) -> None:
        self._newest: dict[tuple[str, bytes], tuple[ListRecord, x509.CertificateRevocationList]] = {}
        for each in sorted(record.lists, key=lambda item: item.number):
            parsed = _parse(each)
            if parsed is not None:
                self._newest[each.issuer, _scope_of(parsed)] = (each, parsed)

    def check(self, row: CertificateRecord, event: EventRecord | None) -> Iterator[Finding]:
        if row.state not in _OFF:
            return
        lists = [parsed for (issuer, _), (_, parsed) in self._newest.items() if issuer == row.issuer]
        serial = int(row.serial, 16)
        if any(parsed.get_revoked_certificate_by_serial_number(serial) is not None for parsed in lists):
            return
        since = None if event is None else parse_utc(str(event.content["time"]))
        made = max((parsed.last_update_utc for parsed in lists), default=None)
        if since is None or made is None or since < made + _WHOLE_SECOND:
            yield Finding(
                "revocation-not-listed", f"certificate {row.serial}", "on no current list of its issuer"
            )

    def check_others(self, record: AuthorityRecord) -> Iterator[Finding]:
        """Nothing is listed that is not revoked, and nobody waits for a list that is overdue."""
        states = {int(row.serial, 16): row.state for row in record.certificates}
        for (issuer, scope), (each, parsed) in self._newest.items():
            if scope == _DELTA:
                continue  # it rests on a full list and is judged with that
            where = f"list {each.number} of {issuer}"
            for entry in parsed:
                if states.get(entry.serial_number) not in _OFF and not _may_be_lifted(states, entry):
                    yield Finding(
                        "listed-not-revoked",
                        f"certificate {entry.serial_number:040x}",
                        f"{where} has it revoked",
                    )
            ends = parsed.next_update_utc
            if ends is None or ends < record.at:
                yield Finding(
                    "list-stale", where, f"it ended at {'no time' if ends is None else format_utc(ends)}"
                )


def _check_state(row: CertificateRecord, event: EventRecord | None) -> Iterator[Finding]:
    where = f"certificate {row.serial}"
    expected = "issued" if event is None else _AFTERWARDS[event.fact]
    if expected in _OFF and row.state != expected:
        yield Finding("revocation-removed", where, f"the events say {expected}, its row says {row.state}")
    elif row.state in _OFF and row.state != expected:
        yield Finding("revocation-without-event", where, f"its row says {row.state}, no event does")
    elif event is not None and row.state == "revoked":
        told = (event.data.get("revoked_at"), event.data.get("reason"))
        if told != (row.revoked_at, row.reason):
            yield Finding("revocation-altered", where, "time or reason is not what the event says")


def _number_of(event: EventRecord) -> int:
    number = event.data.get("number")
    return number if isinstance(number, int) else -1


def _may_be_lifted(states: Mapping[int, str], entry: x509.RevokedCertificate) -> bool:
    """A hold that was lifted stays on the list until the next one."""
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return False
    return reason is x509.ReasonFlags.certificate_hold and states.get(entry.serial_number) == "issued"


def _parse(each: ListRecord) -> x509.CertificateRevocationList | None:
    """None for what cannot be read, which no event will match."""
    try:
        parsed = x509.load_der_x509_crl(each.der)
        _scope_of(parsed)
    except ValueError:
        return None
    return parsed


def _scope_of(parsed: x509.CertificateRevocationList) -> bytes:
    if any(extension.oid == x509.DeltaCRLIndicator.oid for extension in parsed.extensions):
        return _DELTA
    try:
        return parsed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value.public_bytes()
    except x509.ExtensionNotFound:
        return b""
