"""What one judgement works with: the rules, the material, the two times, and what is proven to have existed when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.contents import Covered
from signing.validation.material import Material
from signing.validation.trust import Trust


@dataclass(slots=True)
class Proofs:
    """Proofs of existence (EN 319 102-1 §5.6.2.3): the earliest instant for each thing, ``at`` for all others.

    Signatures and time stamps go by their identifiers, evidence and certificates by their SHA-256.
    """

    at: datetime
    _earliest: dict[str | bytes, datetime] = field(default_factory=dict)

    def earliest(self, thing: str | bytes) -> datetime:
        return self._earliest.get(thing, self.at)

    def latest_of(self, things: Iterable[str | bytes]) -> datetime:
        """Since when all of them are proven."""
        return max((self.earliest(each) for each in things), default=self.at)

    def add(self, covered: Covered, time: datetime) -> None:
        """A valid time stamp covers them."""
        named: tuple[str | bytes, ...] = (*covered.signatures, *covered.timestamps, *covered.evidence)
        for thing in named:
            self.add_one(thing, time)

    def add_one(self, thing: str | bytes, time: datetime) -> None:
        if time <= self.earliest(thing):
            self._earliest[thing] = time

    def proven(self, thing: str | bytes) -> datetime | None:
        """The same; None where no time stamp proves it."""
        return self._earliest.get(thing)


@dataclass(slots=True)
class Scene:
    """``at`` is the time that is judged for; nothing from after both it and ``made_at`` counts."""

    trust: Trust
    algorithms: AlgorithmPolicy
    at: datetime
    made_at: datetime
    material: Material
    proofs: Proofs
    kept: dict[tuple[object, ...], object] = field(default_factory=dict)

    @classmethod
    def of(cls, trust: Trust, algorithms: AlgorithmPolicy, at: datetime, made_at: datetime) -> Scene:
        return cls(trust, algorithms, at, made_at, Material(trust.material), Proofs(at))

    @property
    def now(self) -> datetime:
        return max(self.at, self.made_at)

    def responders(self) -> tuple[x509.Certificate, ...]:
        """Whom the trust names for OCSP answers alone: it vouches for the answers of any issuer (RFC 6960 §4.2.2.2)."""
        return tuple(
            each.certificate for each in self.trust.anchors_for("ocsp") if each.uses == frozenset({"ocsp"})
        )
