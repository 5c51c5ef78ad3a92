"""Metrics in the text format, for those who may read them, and with nobody's name in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.api.application import create_app
from app.container import Container
from app.settings import MetricsSettings
from pki.timestamp import make_request
from tests.unit.app.people import Visitor

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def local(container: Container) -> Iterator[TestClient]:
    """Somebody on this machine."""
    with _client(container) as client:
        yield client


def _client(container: Container, host: str = "127.0.0.1") -> TestClient:
    base_url = container.settings.api.base_url
    return TestClient(create_app(container), base_url=base_url, client=(host, 50_000))


def _samples(client: TestClient) -> Samples:
    answer = client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    return {
        (sample.name, frozenset((k, v) for k, v in sample.labels.items() if k != "process")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _of(samples: Samples, name: str, /, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_what_the_authority_did_is_counted(local: TestClient, container: Container) -> None:
    """Certificates, lists, expiries, log and outbox are those of the database; own counters are this process's."""
    local.post("/tsa", content=make_request(b"something"))
    local.post("/tsa", content=b"nonsense")
    local.get("/health")
    local.get("/nowhere")

    found = _samples(local)

    assert _of(found, "mohr_pki_certificates", profile="root", state="issued") == 1
    assert _of(found, "mohr_pki_acts_total", fact="certificate-issued") >= 4
    assert _of(found, "mohr_pki_crl_number", issuer="intermediate") == 1
    assert 0 < _of(found, "mohr_pki_crl_next_update_seconds", issuer="intermediate") <= 7 * 86_400
    for name in (*(each.name for each in container.authority.issuers), "tsa", "receipt"):
        assert _of(found, "mohr_pki_certificate_expiry_seconds", name=name) > 86_400
    assert _of(found, "mohr_outbox_waiting") > 0
    assert _of(found, "mohr_log_size", head="cosigned") == 0
    assert _of(found, "mohr_timestamps_total", answer="granted") == 1
    assert _of(found, "mohr_timestamps_total", answer="refused") == 1
    assert _of(found, "mohr_http_requests_total", route="health", status="200") == 1
    assert _of(found, "mohr_http_requests_total", route="none", status="404") == 1
    assert _of(found, "mohr_http_request_seconds_count", route="pki") == 2


def test_nobody_is_named(local: TestClient, registrar: Visitor) -> None:
    """No party, name, address or fingerprint stands in any label."""
    text = local.get("/metrics").text

    assert "IR-" not in text
    assert "127.0.0.1" not in text
    assert max(len(value) for _, labels in _samples(local) for _, value in labels) <= 32


def test_from_elsewhere_it_needs_the_token(container: Container) -> None:
    """Without a token this machine alone may read, and not through a proxy; with one, whoever has it."""
    with _client(container, "192.0.2.7") as far:
        assert (far.get("/metrics").status_code, far.get("/metrics").json()["code"]) == (403, "forbidden")
    with _client(container) as near:
        assert near.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403

    with _client(replace(container, metrics_token="a secret"), "192.0.2.7") as far:
        assert far.get("/metrics").status_code == 401
        assert far.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
        assert far.get("/metrics", headers={"Authorization": "Bearer a secret"}).status_code == 200


def test_it_can_be_switched_off(container: Container) -> None:
    """Switched off, there is nothing at that address."""
    settings = container.settings.model_copy(update={"metrics": MetricsSettings(enabled=False)})

    with _client(replace(container, settings=settings)) as client:
        assert client.get("/metrics").status_code == 404
