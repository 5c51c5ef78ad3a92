"""Evidence over HTTP: what certificates name is fetched and proves itself, within limits, or the refusal says whose."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import ocsp

from client.bounded_http import BoundedHttp
from client.evidence import FetchLimits, HttpEvidence
from client.stamping import HttpStamps
from kernel.clock import SystemClock
from pki.algorithms import PrivateKey, der_of
from pki.authority import build, make_request, new_serial
from pki.locations import Locations
from pki.names import Subject
from pki.profiles import CRLS, INTERMEDIATE, PERSON_SIGNING, TSA, Profile
from pki.revocation_lists import Revoked, build_crl
from pki.signed_data import Signer
from pki.timestamp import TimeStampAuthority
from signing.ades.cades import sign_file
from signing.ades.cms_edit import read_parts
from signing.ades.services import Evidence, Level, Services
from signing.errors import EvidenceUnavailable, TimestampUnavailable
from tests.support.authority import POLICY, MemoryAuthority, make_authority, make_key
from tests.support.http_services import (
    HttpService,
    Redirect,
    endless,
    garbling,
    http_service,
    raw_service,
    refused_address,
    silent,
)
from tests.support.openssl import run_openssl, write_signer


@dataclass
class Published:
    """An intermediate and a person whose certificates name the services of ``url``; only the root is known."""

    authority: MemoryAuthority
    url: str
    ocsp_url: str | None = None
    crl_path: str = "/sub.crl"
    revoked: list[Revoked] = field(default_factory=list)

    def __post_init__(self) -> None:
        root = Locations(f"{self.url}/root.crt", f"{self.url}/root.crl")
        below = Locations(f"{self.url}/sub.crt", self.url + self.crl_path, None, self.ocsp_url)
        self.sub_key, key, stamping = make_key(), make_key(), make_key()
        above = (self.authority.root_key, self.authority.root)
        self.sub = self._certify(self.sub_key, INTERMEDIATE, "Sub", root, above)
        issuer = (self.sub_key, self.sub)
        self.person = self._certify(key, PERSON_SIGNING, "Person", below, issuer)
        self.signer = Signer(key, self.person, ())
        stamper = Signer(stamping, self._certify(stamping, TSA, "Stamps", below, issuer), ())
        self.tsa = TimeStampAuthority(stamper, POLICY, lambda: 1, self.authority.clock)

    def _certify(
        self,
        key: PrivateKey,
        profile: Profile,
        name: str,
        locations: Locations,
        issuer: tuple[PrivateKey, x509.Certificate],
    ) -> x509.Certificate:
        subject = Subject(name, f"IRO-{name}")
        issuer_key, issuer_certificate = issuer
        return build(
            make_request(key, subject),
            profile,
            subject,
            issuer_key,
            issuer_certificate,
            serial=new_serial(),
            now=self.authority.now,
            locations=locations,
        )

    def routes(self, *, shard: bool = False) -> dict[str, Callable[[bytes], bytes]]:
        """Everything that the certificates name, and a way round to the intermediate."""
        now = self.authority.now
        shard_url = self.url + self.crl_path if shard else None
        lists = {
            "/root.crl": build_crl(self.authority.root_key, self.authority.root, [], 1, now, CRLS["root"]),
            self.crl_path: build_crl(self.sub_key, self.sub, self.revoked, 1, now, shard_url=shard_url),
        }
        routes: dict[str, Callable[[bytes], bytes]] = {
            "/sub.crt": lambda _: der_of(self.sub),
            "/ocsp": self.answer,
            "/tsa": self.tsa.respond,
        }
        return routes | {path: giving(der) for path, der in lists.items()}

    def answer(self, question: bytes) -> bytes:
        """An answer by the library's builder, signed by the intermediate itself."""
        asked = ocsp.load_der_ocsp_request(question)
        now = self.authority.now
        built = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            algorithm=asked.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now,
            next_update=now + timedelta(hours=1),
            revocation_time=None,
            revocation_reason=None,
        )
        named = built.responder_id(ocsp.OCSPResponderEncoding.HASH, self.sub)
        return named.sign(self.sub_key, hashes.SHA256()).public_bytes(Encoding.DER)

    def collect(self, limits: FetchLimits | None = None) -> Evidence:
        """What a source that knows the root only finds for the person."""
        source = HttpEvidence([self.authority.root], limits=limits)
        return source.collect(self.person, (), self.authority.now)


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


def giving(answer: bytes) -> Callable[[bytes], bytes]:
    """A route that gives always the same."""
    return lambda _body: answer


def publish(
    authority: MemoryAuthority, service: HttpService, *, ocsp: bool, shard: bool = False
) -> Published:
    """Fill a service with what its own address is inside of."""
    path = "/sub/16-5.crl" if shard else "/sub.crl"
    made = Published(authority, service.url, f"{service.url}/ocsp" if ocsp else None, path)
    service.routes.update(made.routes(shard=shard))
    return made


def test_an_ocsp_answer_is_preferred(authority: MemoryAuthority) -> None:
    """The issuer is fetched, the person judged by an OCSP answer, the intermediate by the root's list; no list else."""
    with http_service({}) as service:
        made = publish(authority, service, ocsp=True)
        found = made.collect()
    assert found.certificates == tuple(der_of(each) for each in (made.person, made.sub, authority.root))
    assert len(found.ocsps) == len(found.crls) == 1
    assert service.asked == ["GET /sub.crt", "GET /root.crl", "POST /ocsp"]


def test_a_shard_where_ocsp_fails(authority: MemoryAuthority) -> None:
    """Where the responder does not answer, the shard that the certificate names is taken."""
    with http_service({}) as service:
        made = publish(authority, service, ocsp=True, shard=True)
        del service.routes["/ocsp"]
        found = made.collect()
    assert len(found.crls) == 2
    assert service.asked[-2:] == ["POST /ocsp", "GET /sub/16-5.crl"]


def test_lists_beside_the_roots(authority: MemoryAuthority) -> None:
    """A certificate that names no address is told by the lists that were given; without them it is said why not."""
    person, known = authority.person("IR-1"), [authority.intermediate]
    with http_service({}) as service:
        given = HttpEvidence([authority.root], known, authority.crls())
        assert len(given.collect(person.certificate, (), authority.now).crls) == 2
        with pytest.raises(EvidenceUnavailable, match="names no address"):
            HttpEvidence([authority.root], known).collect(person.certificate, (), authority.now)
        assert service.asked == []


def test_a_bundle_behind_redirects(authority: MemoryAuthority) -> None:
    """An issuer may come as a bundle without signer, and a few hops away; not more, and not by another scheme."""
    with http_service({}) as service:
        made = publish(authority, service, ocsp=False)
        bundle = pkcs7.serialize_certificates([authority.intermediate, made.sub], Encoding.DER)

        def moved(to: str) -> Callable[[bytes], bytes]:
            def answer(_body: bytes) -> bytes:
                raise Redirect(to)

            return answer

        service.routes |= {"/sub.crt": moved("/b"), "/b": moved("c"), "/c": giving(bundle)}
        assert der_of(made.sub) in made.collect().certificates
        for to in ("/sub.crt", "file:///etc/passwd", "ftp://example.org/x"):
            service.routes["/sub.crt"] = moved(to)
            with pytest.raises(EvidenceUnavailable) as refused:
                made.collect()
            assert refused.value.fields["service"] == f"{service.url}/sub.crt"


@pytest.mark.parametrize("behave", [silent, garbling, endless])
def test_a_service_that_fails_is_named_in_bounded_time(
    authority: MemoryAuthority, behave: Callable[..., None]
) -> None:
    """A responder and lists that hang, babble or never end: the refusal names service and certificate."""
    with raw_service(behave) as url:
        made = Published(authority, url, f"{url}/ocsp")
        source = HttpEvidence(
            [authority.root], [made.sub], limits=FetchLimits(total_seconds=0.5, list_bytes=1 << 20)
        )
        with pytest.raises(EvidenceUnavailable) as refused:
            source.collect(made.person, (), authority.now)
    assert str(refused.value.fields["service"]).startswith(url)
    assert refused.value.fields["certificate"]


def test_lists_that_prove_nothing(authority: MemoryAuthority) -> None:
    """A list of another authority, a stale or a future one, a delta, a long one, and another shard are refused."""
    now = authority.now
    with http_service({}) as service:
        made = publish(authority, service, ocsp=False, shard=True)
        old = now - timedelta(days=30)
        wrong = [
            build_crl(authority.intermediate_key, authority.intermediate, [], 1, now),
            build_crl(authority.intermediate_key, made.sub, [], 1, now),
            build_crl(made.sub_key, made.sub, [], 1, old),
            build_crl(made.sub_key, made.sub, [], 1, now + timedelta(hours=1)),
            build_crl(made.sub_key, made.sub, [], 2, now, base=1),
            build_crl(made.sub_key, made.sub, [], 1, now, shard_url=f"{service.url}/sub/16-6.crl"),
            b"",
        ]
        for each in wrong:
            service.routes[made.crl_path] = giving(each)
            with pytest.raises(EvidenceUnavailable) as refused:
                made.collect()
            assert refused.value.fields["service"] == service.url + made.crl_path
        service.routes |= made.routes(shard=True)
        assert made.collect(FetchLimits(requests=3))
        for limits in (FetchLimits(list_bytes=100), FetchLimits(requests=2), FetchLimits(total_seconds=0)):
            with pytest.raises(EvidenceUnavailable):
                made.collect(limits)


def test_addresses_of_strangers(authority: MemoryAuthority) -> None:
    """Where only public addresses may be asked, this machine is not, by whatever name."""
    with http_service({}) as service:
        made = publish(authority, service, ocsp=False)
        guarded = HttpEvidence([authority.root], http=BoundedHttp(public_only=True))
        with pytest.raises(EvidenceUnavailable, match="path"):
            guarded.collect(made.person, (), authority.now)
        assert service.asked == []


def test_only_who_is_vouched_for_leads_into_private_networks(authority: MemoryAuthority) -> None:
    """In a document of strangers an issuer that nobody knows is not looked for on this machine; lists and responders
    that a path up to a root names are, wherever they are."""
    with http_service({}) as service:
        made = publish(authority, service, ocsp=True)
        source = HttpEvidence([authority.root], strangers=True)
        with pytest.raises(EvidenceUnavailable, match="path"):
            source.collect(made.person, (), authority.now)
        assert service.asked == []
        assert source.collect(made.person, (made.sub,), authority.now).ocsps
        assert service.asked == ["GET /root.crl", "POST /ocsp"]


def test_a_signature_by_services_over_http(authority: MemoryAuthority) -> None:
    """B-LT with stamp and evidence over HTTP holds both; when one of them is gone, nothing is signed."""
    with http_service({}) as service:
        made = publish(authority, service, ocsp=True)
        services = Services(HttpStamps(f"{service.url}/tsa"), HttpEvidence([authority.root]))

        def sign() -> bytes:
            return sign_file(io.BytesIO(b"content"), made.signer, Level.B_LT, services, at=authority.now)

        inside = read_parts(sign()).evidence
        assert len(inside.ocsps) == 2  # of the person and of the stamping authority
        for path in ("/root.crl", "/tsa"):
            del service.routes[path]
            with pytest.raises((EvidenceUnavailable, TimestampUnavailable)) as refused:
                sign()
            assert refused.value.fields["service"] == service.url + path
    dead = Published(authority, refused_address(), refused_address())
    with pytest.raises(EvidenceUnavailable):
        dead.collect()


def test_a_responder_of_others(tmp_path: Path) -> None:
    """OpenSSL's answers are taken, also with a SHA-1 CertID; where it knows nothing of a certificate, the list is."""
    authority = make_authority(clock=SystemClock())
    with http_service({}) as service:
        made = publish(authority, service, ocsp=True)
        write_signer(tmp_path, "sub", made.sub_key, made.sub)
        serial = f"{made.person.serial_number:X}"
        line = f"V\t991231235959Z\t\t{serial.zfill(len(serial) + len(serial) % 2)}\tunknown\t/CN=Person\n"

        def answer(question: bytes) -> bytes:
            (tmp_path / "q.der").write_bytes(question)
            ocsp = [
                "ocsp",
                "-index",
                "index.txt",
                "-CA",
                "sub.pem",
                "-rsigner",
                "sub.pem",
                "-rkey",
                "sub.key",
            ]
            ocsp += ["-reqin", "q.der", "-respout", "r.der", "-nmin", "60"]
            made, said = run_openssl(tmp_path, *ocsp)
            assert made, said
            return (tmp_path / "r.der").read_bytes()

        service.routes["/ocsp"] = answer
        for index, answers in ((line, 1), ("", 0)):
            (tmp_path / "index.txt").write_text(index)
            found = made.collect()
            assert (len(found.ocsps), len(found.crls)) == (answers, 2 - answers)
