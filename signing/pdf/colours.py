"""What a revision says of the colours of a document: an output intent (ISO 32000-2 §14.11.5).

Its profile turns colours into others, black into white where it is made for it. EU DSS adds one with each visible
signature: sRGB, which is what programs take without any.
"""

from __future__ import annotations

import hashlib
import zlib

from pyhanko.pdf_utils import generic

from signing.pdf.opening import held

_INTENT = frozenset({"/Type", "/S", "/DestOutputProfile", "/OutputCondition", "/OutputConditionIdentifier"})
_PROFILE = frozenset({"/Length", "/Filter", "/N"})
_LONGEST = 1 << 16
# SHA-256 of the profile that a Java runtime has (OpenJDK 17), and DSS with it.
_SRGB = frozenset({"4064240d928fddcc777915e2be0c81871c5ea9b6e08327ddbe6be9908fc22525"})


def says_srgb(intents: object) -> bool:
    """Whether these are nothing but one intent with a known profile of sRGB."""
    if not isinstance(intents, generic.ArrayObject) or len(intents) != 1:
        return False
    intent = intents[0]
    if not isinstance(intent, generic.DictionaryObject) or not _INTENT.issuperset(intent):
        return False
    profile = held(intent, "/DestOutputProfile")
    return held(intent, "/S") == "/GTS_PDFA1" and _digest_of(profile) in _SRGB


def _digest_of(profile: object) -> str | None:
    if not isinstance(profile, generic.StreamObject) or not _PROFILE.issuperset(profile):
        return None
    data = bytes(profile.encoded_data)
    if held(profile, "/N") != 3 or held(profile, "/Filter") not in (None, "/FlateDecode"):
        return None
    try:
        found = data if "/Filter" not in profile else zlib.decompressobj().decompress(data, _LONGEST)
    except zlib.error:
        return None
    return hashlib.sha256(found).hexdigest()
