"""Which bytes of a file a PDF signature covers, checked strictly (ISO 32000-2 §12.8.1).

A byte range is sound only as ``[0 a b c]``: from the first byte to the end of a revision, leaving out exactly the
hexadecimal string that is this signature's Contents. Everything else is how signatures were forged: ranges that are
missing, negative or empty (universal forgery), gaps with more in them (wrapping), Contents that are null.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from signing.pdf.tokens import Value, entry
from signing.validation.ber import NotBer, first_element
from signing.validation.contents import DigestOf, Finding, NotCovered

_HEX_STRING = re.compile(rb"<(?:[0-9A-Fa-f]{2})*>")


@dataclass(frozen=True, slots=True)
class Covering:
    """``end`` is where the covered bytes end; 0 where the range is not sound. ``contents`` is the CMS, unpadded."""

    gap: tuple[int, int]
    end: int
    contents: bytes | None
    findings: tuple[Finding, ...]


def covering_of(data: bytes, signature: Value) -> Covering:
    """What a signature dictionary of the file covers."""
    findings = [
        Finding("signature-key-repeated", f"the signature's entry {key} stands twice")
        for key in sorted({"/Contents", "/ByteRange", "/SubFilter", "/Type"})
        if sum(name == key for name, _ in signature.entries) > 1
    ]
    contents, problem = _contents(entry(signature, "/Contents"))
    findings += problem
    numbers, problem = _numbers(entry(signature, "/ByteRange"))
    findings += problem
    gap, end = (0, 0), 0
    if numbers is not None:
        problem = _problems(data, numbers, entry(signature, "/Contents"))
        findings += problem
        if not problem:
            gap, end = (numbers[1], numbers[2]), numbers[2] + numbers[3]
    return Covering(gap, end, contents, tuple(findings))


def digest_over(data: bytes, covering: Covering) -> DigestOf:
    """The digest of the covered bytes, each algorithm once."""
    known: dict[str, bytes] = {}

    def digest(algorithm: str) -> bytes:
        if not covering.end:
            raise NotCovered("the byte range of the signature is not sound")
        if algorithm not in known:
            view = memoryview(data)
            found = hashlib.new(algorithm, view[: covering.gap[0]])
            found.update(view[covering.gap[1] : covering.end])
            known[algorithm] = found.digest()
        return known[algorithm]

    return digest


def _contents(value: Value | None) -> tuple[bytes | None, list[Finding]]:
    if value is None:
        return None, [Finding("contents-missing", "the signature has no Contents")]
    if value.kind != "hex":
        return None, [Finding("contents-not-hexadecimal", "the Contents are no hexadecimal string")]
    try:
        found, padding = first_element(value.data)
    except NotBer:
        return None, [Finding("contents-unreadable", "the Contents hold no CMS")]
    if any(padding):
        detail = "the room behind the signature is not filled with zeros; nothing covers it"
        return found, [Finding("contents-padding", detail, fatal=False)]
    return found, []


def _numbers(value: Value | None) -> tuple[tuple[int, int, int, int] | None, list[Finding]]:
    if value is None:
        return None, [Finding("byte-range-missing", "the signature has no byte range")]
    found = [each.number for each in value.parts]
    numbers = [each for each in found if each is not None]
    if value.kind != "array" or len(numbers) != len(found) or len(numbers) != 4:
        return None, [Finding("byte-range-malformed", "the byte range is not four numbers")]
    first, second, third, fourth = numbers
    return (first, second, third, fourth), []


def _problems(data: bytes, numbers: tuple[int, int, int, int], contents: Value | None) -> list[Finding]:
    begin, length, after, rest = numbers
    if min(numbers) < 0:
        return [Finding("byte-range-negative", "the byte range has a negative number")]
    if begin != 0:
        return [Finding("byte-range-start", "the byte range does not start with the file")]
    if after + rest > len(data):
        return [Finding("byte-range-beyond", "the byte range goes beyond the file")]
    if length >= after or not rest:
        return [Finding("byte-range-overlap", "the byte range overlaps or is empty")]
    if contents is None or (length, after) != (contents.begin, contents.end):
        detail = "what the byte range leaves out is not exactly the signature's Contents"
        return [Finding("byte-range-gap", detail)]
    if _HEX_STRING.fullmatch(data, length, after) is None:
        return [Finding("byte-range-gap", "what the byte range leaves out is not one hexadecimal string")]
    return []
