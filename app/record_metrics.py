"""What the database says of authority, log and outbox, as Prometheus families: the same from every API process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography import x509
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from events.outbox import lag
from kernel.clock import parse_utc
from pki.acts import ActRow
from pki.audit.record import DOMAIN
from pki.installation import Authority
from pki.orm import CertificateRequestRow, CertificateRow, RevocationListRow
from transparency.log_store import newest_checkpoint, newest_cosigned, pending_count


class RecordMetrics(Collector):
    """Used once, inside a reading session."""

    def __init__(self, session: Session, authority: Authority, now: datetime) -> None:
        self._session = session
        self._authority = authority
        self._now = now

    def collect(self) -> Iterable[Metric]:
        yield from self._certificates()
        yield from self._lists()
        yield self._expiries()
        yield from self._log()
        yield from self._outbox()

    def describe(self) -> Iterable[Metric]:
        """Nothing is read when it is registered."""
        return ()

    def _certificates(self) -> Iterator[Metric]:
        row = CertificateRow
        certificates = GaugeMetricFamily(
            "mohr_pki_certificates", "Certificates on record.", labels=("profile", "state")
        )
        query = select(row.profile, row.state, func.count()).group_by(row.profile, row.state)
        for profile, state, count in self._session.execute(query):
            certificates.add_metric((profile, state), count)
        yield certificates
        requests = GaugeMetricFamily(
            "mohr_pki_requests", "Certificate requests on record.", labels=("state",)
        )
        by_state = select(CertificateRequestRow.state, func.count()).group_by(CertificateRequestRow.state)
        for state, count in self._session.execute(by_state):
            requests.add_metric((state,), count)
        yield requests
        acts = CounterMetricFamily(
            "mohr_pki_acts", "Acts of the authority, by what was done.", labels=("fact",)
        )
        for type_, count in self._session.execute(select(ActRow.type, func.count()).group_by(ActRow.type)):
            acts.add_metric((type_.removeprefix(DOMAIN).rpartition(".")[0],), count)
        yield acts

    def _lists(self) -> Iterator[Metric]:
        row = RevocationListRow
        numbers = GaugeMetricFamily("mohr_pki_crl_number", "Number of the newest list.", labels=("issuer",))
        left = GaugeMetricFamily(
            "mohr_pki_crl_next_update_seconds",
            "Seconds until the newest list is over; negative when it is.",
            labels=("issuer",),
        )
        query = select(row.issuer, func.max(row.number), func.max(row.next_update)).group_by(row.issuer)
        for issuer, number, next_update in self._session.execute(query):
            numbers.add_metric((issuer,), number)
            left.add_metric((issuer,), (parse_utc(next_update) - self._now).total_seconds())
        yield numbers
        yield left

    def _expiries(self) -> Metric:
        family = GaugeMetricFamily(
            "mohr_pki_certificate_expiry_seconds",
            "Seconds until a certificate of the authority itself is over.",
            labels=("name",),
        )
        for name, certificate in own_certificates(self._authority):
            family.add_metric((name,), (certificate.not_valid_after_utc - self._now).total_seconds())
        return family

    def _log(self) -> Iterator[Metric]:
        signed, cosigned = newest_checkpoint(self._session), newest_cosigned(self._session)
        size = GaugeMetricFamily(
            "mohr_log_size", "Entries in the newest signed and cosigned tree.", labels=("head",)
        )
        size.add_metric(("signed",), signed.size if signed is not None else 0)
        size.add_metric(("cosigned",), cosigned.size if cosigned is not None else 0)
        yield size
        waiting = pending_count(self._session)
        yield GaugeMetricFamily(
            "mohr_log_waiting", "Entries without an index, counted to 1000.", value=waiting
        )

    def _outbox(self) -> Iterator[Metric]:
        found = lag(self._session)
        oldest = 0.0 if found.oldest is None else (self._now - parse_utc(found.oldest)).total_seconds()
        yield GaugeMetricFamily("mohr_outbox_waiting", "Events still to be handed on.", value=found.waiting)
        yield GaugeMetricFamily("mohr_outbox_oldest_seconds", "Age of the oldest of them.", value=oldest)


def own_certificates(authority: Authority) -> Iterator[tuple[str, x509.Certificate]]:
    """The authorities by their names, ``tsa`` and ``receipt``."""
    for issuer in authority.issuers:
        yield issuer.name, issuer.certificate
    yield "tsa", authority.tsa.certificate
    yield "receipt", authority.receipt.certificate
