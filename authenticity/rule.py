"""The electronic documents rule (شیوه‌نامه اسناد الکترونیکی): dated policy data, one TOML file for each version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

Format = Literal["pdf", "pdf-a", "asic-e", "cms", "other"]


@dataclass(frozen=True, slots=True)
class KindRule:
    """What a kind of document must have. ``formats``: any of them. ``level``: AdES level that the best
    signature reaches at
    least, None where no signature is asked for. ``signers``: certificate profiles, of which ``signatures``
    must have signed.
    ``retention_years`` None: for ever. ``basis``: the clause of law or rule that each comes from.
    """

    kind: str
    name_fa: str
    name_en: str
    formats: tuple[Format, ...]
    level: str | None
    signatures: int
    signers: tuple[str, ...]
    retention_years: int | None
    disclosure: Literal["public", "withheld"]
    basis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentsRule:
    """One version: in force from ``from_day`` until the next one is."""

    version: str
    from_day: date
    kinds: Mapping[str, KindRule]


@dataclass(frozen=True, slots=True)
class DatedRule:
    """All versions, oldest first."""

    versions: tuple[DocumentsRule, ...]

    @classmethod
    def default(cls) -> Self:
        """The shipped versions."""
        raise NotImplementedError

    def on(self, day: date) -> DocumentsRule:
        """The version in force; raises KindUnknown before the first."""
        raise NotImplementedError
