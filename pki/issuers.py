"""What an authority consists of, as data (``mohr/authority/v2``): its issuers, services and operators.

The names of issuers are ``root``, ``root-2``, ... and ``intermediate``, ``intermediate-2``, ...: a generation more
with each new key. ``mohr/authority/v1``, which knew one root and one intermediate, is still read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from cryptography import x509

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import MalformedInput
from pki.algorithms import PrivateKey
from pki.errors import KeyUnavailable
from pki.profiles import CRLS, SERVICE_SEAL, TSA, Profile

Kind = Literal["root", "intermediate"]
State = Literal["active", "retired", "revoked"]
Place = Literal["here", "apart", "outside"]
ISSUER_NAME = r"[a-z][a-z0-9-]{0,15}"
_NAME = re.compile(ISSUER_NAME)
# What signs for an installation: its role, profile and kind of key. Those that are needed come first; another one is
# made anew under each intermediate where there is one.
SERVICES: Mapping[str, tuple[Profile, str]] = {
    "tsa": (TSA, "P-256"),
    "receipt": (SERVICE_SEAL, "P-256"),
    "tsa-rsa": (TSA, "RSA"),
    "seal": (SERVICE_SEAL, "P-256"),
}
NEEDED_SERVICES = ("tsa", "receipt")
_LISTS = ("issuers", "services", "certified", "operators")


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority by its short name. ``held``: its key, unless that is kept apart or belongs to others.

    ``active`` ones issue; ``retired`` ones sign lists and answers about what they issued; ``revoked`` ones nothing.
    """

    name: str
    held: PrivateKey | None
    certificate: x509.Certificate
    kind: Kind = "intermediate"
    state: State = "active"

    @property
    def key(self) -> PrivateKey:
        """Raises KeyUnavailable where the key is not here."""
        if self.held is None:
            raise KeyUnavailable("the key of this authority is not kept here", name=self.name)
        return self.held


@dataclass(frozen=True, slots=True)
class IssuerEntry:
    """``issuer``: who certified it; ``key``: in the authority's store, in one apart, or outside with its owner.

    ``certificate``: its file below the authority's folder.
    """

    name: str
    kind: Kind
    issuer: str
    key: Place
    certificate: str
    state: State = "active"
    revoked_at: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A key that signs for the installation; ``role``: of ``SERVICES``. The last one of a role is in use."""

    role: str
    key: str
    issuer: str
    certificate: str


@dataclass(frozen=True, slots=True)
class CertifiedEntry:
    """Another certificate that a ceremony made, such as a cross certificate (profile ``cross``)."""

    profile: str
    issuer: str
    certificate: str


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """Who may hold ceremonies; ``public_key``: SubjectPublicKeyInfo (base64 DER)."""

    name: str
    public_key: str


@dataclass(frozen=True, slots=True)
class Requested:
    """A key whose certificate an outside root has been asked for; ``request``: the file of the PKCS #10."""

    name: str
    request: str
    organization: str
    party: str


@dataclass(frozen=True, slots=True)
class Description:
    """The content of authority.json; each ceremony makes the next one."""

    demo: bool
    base_url: str | None
    issuers: tuple[IssuerEntry, ...] = ()
    services: tuple[ServiceEntry, ...] = ()
    certified: tuple[CertifiedEntry, ...] = ()
    operators: tuple[OperatorEntry, ...] = ()
    requested: Requested | None = None

    @classmethod
    def parse(cls, data: bytes) -> Description:
        """Raises MalformedInput for anything but ``mohr/authority/v1`` or ``v2``."""
        value = parse_canonical(data)
        try:
            if value.pop("type") == "mohr/authority/v1":
                return first_description(value["demo"], value["base_url"])
            requested = value.pop("requested")
            return cls(
                demo=value["demo"] is True,
                base_url=value["base_url"],
                issuers=tuple(_issuer_entry(each) for each in value["issuers"]),
                services=tuple(ServiceEntry(**each) for each in value["services"]),
                certified=tuple(CertifiedEntry(**each) for each in value["certified"]),
                operators=tuple(OperatorEntry(**each) for each in value["operators"]),
                requested=None if requested is None else Requested(**requested),
            )
        except (KeyError, TypeError) as error:
            raise MalformedInput("not a description of an authority") from error

    def to_bytes(self) -> bytes:
        """The canonical bytes of ``mohr/authority/v2``."""
        value: dict[str, Any] = {"type": "mohr/authority/v2", "demo": self.demo, "base_url": self.base_url}
        for name in _LISTS:
            value[name] = [_plain(each) for each in getattr(self, name)]
        value["requested"] = None if self.requested is None else _plain(self.requested)
        return canonical_bytes(value)

    @property
    def digest(self) -> str:
        return sha256_hex(self.to_bytes())

    def issuer(self, name: str) -> IssuerEntry | None:
        """The entry of that name."""
        return next((each for each in self.issuers if each.name == name), None)

    def active(self, kind: Kind) -> IssuerEntry | None:
        """The one that issues: the last active one of its kind; of the intermediates only ours do."""
        found = [each for each in self.issuers if each.kind == kind and each.state == "active"]
        if kind == "intermediate":
            found = [each for each in found if each.key == "here"]
        return found[-1] if found else None

    def service(self, role: str) -> ServiceEntry | None:
        """The one in use."""
        found = [each for each in self.services if each.role == role]
        return found[-1] if found else None

    def next_name(self, kind: Kind) -> str:
        """The name of the next generation."""
        number = sum(each.kind == kind and not each.name.startswith("above") for each in self.issuers)
        if self.requested is not None and kind == "intermediate":
            number += 1
        return kind if number == 0 else f"{kind}-{number + 1}"

    def changed(self, name: str, **values: Any) -> Description:
        """With other values in the entry of that issuer."""
        entries = (replace(each, **values) if each.name == name else each for each in self.issuers)
        return replace(self, issuers=tuple(entries))


def first_description(
    demo: bool, base_url: str | None, root_key: Place = "here", issuers: int = 2
) -> Description:
    """One root, one intermediate and the two services, as an installation begins."""
    entries = (
        IssuerEntry("root", "root", "root", root_key, "certificates/root.pem"),
        IssuerEntry("intermediate", "intermediate", "root", "here", "certificates/intermediate.pem"),
    )
    services = tuple(
        ServiceEntry(role, role, "intermediate", f"certificates/{role}.pem") for role in NEEDED_SERVICES
    )
    return Description(demo, base_url, entries[:issuers], services)


def _issuer_entry(value: dict[str, Any]) -> IssuerEntry:
    entry = IssuerEntry(**value)
    if _NAME.fullmatch(entry.name) is None or entry.kind not in CRLS:
        raise MalformedInput("an issuer has an unknown kind or an odd name", name=str(entry.name)[:64])
    return entry


def _plain(entry: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", {name: getattr(entry, name) for name in entry.__slots__})
