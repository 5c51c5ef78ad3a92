"""Judging a certificate before its issuer signs it: pkilint, in process (RFC 5280, ETSI EN 319 412-1 to -5).

The one module that knows pkilint, which is loaded on first use (an eighth of a second of processor time, with the
rules of ETSI half a second) and whose validators are built once for each set of rules. A certificate is judged whole
each time: nothing is concluded from another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from kernel.errors import MalformedInput
from pki.algorithms import PrivateKey, der_of, key_kind
from pki.errors import LintFailed
from pki.profiles.model import LintChoice, LintRules

_TYPES = {
    "etsi-natural-person": "NCP_NATURAL_PERSON_CERTIFICATE",
    "etsi-legal-person": "NCP_LEGAL_PERSON_CERTIFICATE",
    "etsi-legal-person-web": "NCP_W_LEGAL_PERSON_FINAL_CERTIFICATE",
    "etsi-qualified-natural-person": "QCP_N_QSCD_NON_EIDAS_FINAL_CERTIFICATE",
}
_ERRORS = frozenset({"ERROR", "FATAL"})
_building = threading.Lock()


@dataclass(frozen=True, slots=True)
class Finding:
    """``level``: FATAL, ERROR, WARNING, NOTICE, INFO or DEBUG; ``code`` as pkilint names it."""

    level: str
    code: str
    message: str

    @property
    def is_error(self) -> bool:
        return self.level in _ERRORS


def check(certificate: x509.Certificate, choice: LintChoice, *, addressed: bool) -> tuple[Finding, ...]:
    """What the linter says and the choice accepts; raises LintFailed with the codes of the errors.

    Without addresses of issuer and list (``addressed`` false) no certificate fits EN 319 412-2 §4.4.1, and it
    is judged by RFC 5280 alone.
    """
    findings = lint(der_of(certificate), choice.rules if addressed else "pkix")
    errors = [each for each in findings if each.is_error and each.code not in choice.accepted]
    if errors:
        raise LintFailed(
            "the certificate would break a rule of its standard",
            findings=[f"{each.code}: {each.message}"[:200] for each in errors[:20]],
        )
    return tuple(findings)


def lint(der: bytes, rules: LintRules) -> list[Finding]:
    """Every finding about a certificate, errors among them."""
    with _building:
        judge = _judge(rules)
    return judge(der)


def throwaway_key(like: PrivateKey) -> PrivateKey:
    """A key of the kind and size of ``like`` that nobody trusts and no file ever holds, one for a process."""
    size = like.key_size if isinstance(like, rsa.RSAPrivateKey) else 0
    with _building:
        return _throwaway(key_kind(like), size)


@lru_cache(maxsize=8)
def _throwaway(kind: str, bits: int) -> PrivateKey:
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ML-DSA-65":
        return mldsa.MLDSA65PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if kind == "P-384" else ec.SECP256R1())


@lru_cache(maxsize=8)
def _judge(rules: LintRules) -> Callable[[bytes], list[Finding]]:
    from pkilint import finding_filter, loader
    from pkilint.pkix import certificate

    _share_public_suffixes()
    decoding, validators, filters = _by_rfc5280() if rules == "pkix" else _by_etsi(_TYPES[rules])
    part = _Part(certificate.create_pkix_certificate_validator_container(decoding, validators))

    def judge(der: bytes) -> list[Finding]:
        try:
            document = loader.load_der_certificate(der)
        except ValueError as error:
            raise MalformedInput("the linter cannot read the certificate") from error
        _read_large_identifiers(document)
        found: list[Any] = []
        part.validate(document.root, found)
        results, _ = finding_filter.filter_results(filters, found)
        return [
            Finding(item.finding.severity.name, item.finding.code, item.message or "")
            for result in results
            for item in result.finding_descriptions
        ]

    return judge


def _by_rfc5280() -> tuple[list[Any], list[Any], list[Any]]:
    from pkilint.pkix import certificate, extension, name

    decoding = certificate.create_decoding_validators(
        name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
    )
    validators = [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ]
    return decoding, validators, []


def _by_etsi(kind: str) -> tuple[list[Any], list[Any], list[Any]]:
    # Loaded apart: the names of all languages and currencies, which only these rules need, take half of the time.
    from pkilint import etsi
    from pkilint.etsi.etsi_constants import CertificateType

    chosen = CertificateType[kind]
    return (
        etsi.create_decoding_validators(chosen),
        etsi.create_validators(chosen),
        etsi.create_etsi_finding_filters(chosen),
    )


def _share_public_suffixes() -> None:
    """Five validators of each set of rules read the same list of 10,000 public suffixes; they only look things up."""
    import publicsuffixlist
    from pkilint.common import alternative_name

    alternative_name.publicsuffixlist = _PublicSuffixes(publicsuffixlist.PublicSuffixList)


class _PublicSuffixes:
    """What those validators see of the module publicsuffixlist: one list for each way of reading it."""

    def __init__(self, kind: Callable[..., Any]) -> None:
        self.PublicSuffixList = lru_cache(maxsize=2)(kind)


class _Part:
    """A container of validators that asks at each node only those of the node's class.

    Every validator of pkilint says no to nodes of another class than its own first of all; of some 7,000 questions
    for one certificate, this leaves out four in five. A test compares the findings of both ways.
    """

    def __init__(self, container: Any) -> None:
        self.container = container
        self._validators = [
            (validator, _Part(validator) if hasattr(validator, "validators") else None)
            for validator in container.validators
        ]
        self._fitting: dict[type, list[tuple[Any, _Part | None]]] = {}

    def validate(self, node: Any, results: list[Any]) -> None:
        """Add the results for the node and everything below it, decoded on the way."""
        kind = type(node.pdu)
        fitting = self._fitting.get(kind)
        if fitting is None:
            fitting = self._fitting[kind] = [
                (validator, part)
                for validator, part in self._validators
                if validator._pdu_class is None or issubclass(kind, validator._pdu_class)
            ]
        for validator, part in fitting:
            if not validator.match(node):
                continue
            if part is None:
                results.append(validator.validate_wrapper(node))
            else:
                part.validate(node, results)
        for child in node.children.values():
            self.validate(child, results)


def _read_large_identifiers(certificate: Any) -> None:
    """Purposes and policies may stand below a UUID (ITU-T X.667 §7), where the linter's reader gives up.

    Its reader takes arcs of 32 bits; the slower one behind it takes them all, and what it reads here the linter
    judges like the rest. What that one cannot read either is left for the linter to report.
    """
    from pkilint import document
    from pyasn1.codec.der.decoder import decode
    from pyasn1.error import PyAsn1Error
    from pyasn1_alt_modules import rfc5280

    for oid, shape in (
        (rfc5280.id_ce_extKeyUsage, rfc5280.ExtKeyUsageSyntax()),
        (rfc5280.id_ce_certificatePolicies, rfc5280.CertificatePolicies()),
    ):
        found = certificate.get_extension_by_oid(oid)
        if found is None:
            continue
        value = found[0].children["extnValue"]
        try:
            document.decode_substrate(certificate, value.pdu.asOctets(), shape, value)
        except document.SubstrateDecodingFailedError:
            try:
                read, rest = decode(value.pdu.asOctets(), asn1Spec=shape)
            except PyAsn1Error:
                continue
            if not rest:
                document.create_and_append_node_from_pdu(certificate, read, value)
