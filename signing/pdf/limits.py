"""Bounds on a PDF from outside, for who signs it and who reads it alike.

Whoever signs leaves room for what signing adds (``*_TO_SIGN``), so that no document is signed which nobody reads then.
"""

from __future__ import annotations

from pyhanko.pdf_utils.decode_limits import (
    DEFAULT_PURPOSE_LIMITS,
    DecodeLimits,
    DecodePurpose,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)

MAX_PDF_BYTES = 64 << 20
MAX_ENTRIES = 300_000  # of all sections of cross-references, and so the objects of all revisions
MAX_SECTIONS = 1_000
MAX_PAGES = 50_000
MAX_SIGNATURES = 200
MAX_FIELDS = 10_000
MAX_FIELD_DEPTH = 16
MAX_LOCKED = 1_000
MAX_TEXT = 1024

MAX_ENTRIES_TO_SIGN = MAX_ENTRIES - 20_000
MAX_SECTIONS_TO_SIGN = MAX_SECTIONS - 10
MAX_SIGNATURES_TO_SIGN = MAX_SIGNATURES - 4
MAX_FIELDS_TO_SIGN = MAX_FIELDS - 10

# Of reading: objects read, look-ups made, and the length of one object in tokens.
MAX_READS = 500_000
MAX_LOOKUPS = 2_000_000
MAX_TOKENS = 200_000
MAX_DEPTH = 100

_MIB = 1 << 20
DECODE_LIMITS = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=64 * _MIB),
    per_purpose={
        **DEFAULT_PURPOSE_LIMITS,
        DecodePurpose.OBJECT_STREAM: StreamDecodeLimits(
            max_ratio=100, ratio_floor=_MIB, max_output_size=4 * _MIB
        ),
        DecodePurpose.XREF_STREAM: StreamDecodeLimits(max_output_size=8 * _MIB),
        DecodePurpose.XMP_METADATA: StreamDecodeLimits(max_output_size=4 * _MIB),
        DecodePurpose.CRL: StreamDecodeLimits(max_ratio=50, ratio_floor=4 * _MIB, max_output_size=32 * _MIB),
    },
    document_budget=DocumentDecodeBudget(base_allowance=64 * _MIB, max_ratio=4),
)
