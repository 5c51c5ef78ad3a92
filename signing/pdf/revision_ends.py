"""Where each revision of a PDF may have ended as a file of its own, so that a copy that was added to is traced back."""

from __future__ import annotations

from pathlib import Path

from signing.pdf.opening import open_pdf, refusing_what_cannot_be_read

_MARK = b"%%EOF"
_LINE_ENDS = (b"\r\n", b"\n", b"\r")
MAX_REVISIONS = 64


def revision_ends(source: bytes | Path) -> list[int]:
    """Lengths in bytes, shorter than the file, the longest first; of the newest 64 revisions at most.

    Raises DocumentUnreadable, DocumentEncrypted and DocumentTooComplex.
    """
    reader = open_pdf(source)
    found: set[int] = set()
    with refusing_what_cannot_be_read():
        total = reader.xrefs.total_revisions
        for revision in range(max(0, total - MAX_REVISIONS), total):
            at = reader.data.find(_MARK, reader.xrefs.get_xref_container_info(revision).end_location)
            if at < 0:
                continue
            end = at + len(_MARK)
            found.add(end)
            found |= {end + len(each) for each in _LINE_ENDS if reader.data.startswith(each, end)}
    return sorted((each for each in found if each < len(reader.data)), reverse=True)
