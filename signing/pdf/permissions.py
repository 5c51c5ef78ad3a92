"""What a signature permits to be changed after it: DocMDP and FieldMDP (ISO 32000-2 §12.8.2.2, §12.8.2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyhanko.pdf_utils import generic, misc
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm

from signing.pdf.opening import held
from signing.validation.contents import Finding


@dataclass(frozen=True, slots=True)
class Permissions:
    """``level`` is 1 (nothing), 2 (forms and signatures) or 3 (annotations too); None where nothing is said.

    ``locked`` are the form fields that have to stay, as the library knows them, ``key`` tells equal ones.
    """

    level: int | None
    locked: FieldMDPSpec | None
    key: str

    @property
    def library_level(self) -> MDPPerm | None:
        """For the judge of differences."""
        return None if self.level is None else MDPPerm(self.level)


def permissions_of(
    signature: generic.DictionaryObject, field: generic.DictionaryObject
) -> tuple[Permissions, tuple[Finding, ...]]:
    """What the signature dictionary says, else the lock of its field; what cannot be read permits nothing."""
    findings: list[Finding] = []
    levels, specs = [], []
    for method, parameters in _transforms(signature):
        if method == "/DocMDP":
            levels.append(_level(parameters, 2, findings))
        elif method == "/FieldMDP":
            specs.append(_spec(parameters, findings))
    lock = held(field, "/Lock")
    if isinstance(lock, generic.DictionaryObject):
        if "/P" in lock:
            levels.append(_level(lock, 1, findings))
        if not specs:
            # An action is required (ISO 32000-2 table 236): who leaves it out does not get away with less than all.
            specs.append(_spec(lock, findings) if "/Action" in lock else FieldMDPSpec(FieldMDPAction.ALL))
    level = min(levels) if levels else None
    locked = specs[0] if specs else None
    if len(specs) > 1:
        findings.append(Finding("field-locks-repeated", "the signature says twice which fields it locks"))
    return Permissions(level, locked, f"{level} {'' if locked is None else locked.as_pdf_object()}"), tuple(
        findings
    )


def _transforms(
    signature: generic.DictionaryObject,
) -> Iterator[tuple[str, generic.DictionaryObject]]:
    references = held(signature, "/Reference")
    if not isinstance(references, generic.ArrayObject):
        return
    for index in range(len(references)):
        each = references[index]
        parameters = held(each, "/TransformParams")
        if isinstance(parameters, generic.DictionaryObject):
            yield str(held(each, "/TransformMethod")), parameters
        else:
            yield str(held(each, "/TransformMethod")), generic.DictionaryObject()


def _level(parameters: generic.DictionaryObject, otherwise: int, findings: list[Finding]) -> int:
    found = held(parameters, "/P")
    if found is None:
        return otherwise
    if isinstance(found, generic.NumberObject) and int(found) in (1, 2, 3):
        return int(found)
    findings.append(Finding("permissions-unreadable", "what the signature permits cannot be read"))
    return 1


def _spec(parameters: generic.DictionaryObject, findings: list[Finding]) -> FieldMDPSpec | None:
    try:
        return FieldMDPSpec.from_pdf_object(parameters)
    except (misc.PdfError, ValueError, KeyError, TypeError):
        findings.append(Finding("field-locks-unreadable", "which fields the signature locks cannot be read"))
        return None
