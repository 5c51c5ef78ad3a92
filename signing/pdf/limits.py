"""Bounds on a PDF from outside, for who signs it and who reads it alike."""

from __future__ import annotations

from pyhanko.pdf_utils.decode_limits import (
    DEFAULT_PURPOSE_LIMITS,
    DecodeLimits,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)

MAX_PDF_BYTES = 64 << 20
MAX_OBJECTS = 1_000_000
MAX_PAGES = 50_000
MAX_REVISIONS = 500
MAX_SIGNATURES = 200
MAX_FIELDS = 20_000
MAX_LOCKED = 1_000
MAX_UNPACKED_BYTES = 64 << 20
MAX_STREAM_BYTES = 64 << 20
MAX_TEXT = 1024

DECODE_LIMITS = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=MAX_STREAM_BYTES),
    per_purpose=DEFAULT_PURPOSE_LIMITS,
    document_budget=DocumentDecodeBudget(base_allowance=MAX_UNPACKED_BYTES, max_ratio=2),
)
