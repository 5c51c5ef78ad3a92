"""Validation data in a PDF's document security store: certificates, lists, OCSP answers (ISO 32000-2 §12.8.4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose

from signing.ades.services import Evidence
from signing.errors import DocumentTooComplex
from signing.pdf.opening import Reader, held

MAX_STREAMS = 2_000
MAX_RECORDS = 1_000


def evidence_in(reader: Reader, revision: int) -> Evidence:
    """What the store holds in that revision, the records for single signatures (VRI) included; each once."""
    store = _dictionary(reader.get_historical_resolver(revision).root, "/DSS")
    records = _dictionary(store, "/VRI")
    if len(records) > MAX_RECORDS:
        raise DocumentTooComplex("the document holds more validation records than are read", limit="evidence")
    inside = [store, *(held(records, key) for key in records)]
    dictionaries = [each for each in inside if isinstance(each, generic.DictionaryObject)]
    return Evidence(
        certificates=_streams(dictionaries, ("/Certs", "/Cert"), DecodePurpose.CERTIFICATE),
        crls=_streams(dictionaries, ("/CRLs", "/CRL"), DecodePurpose.CRL),
        ocsps=_streams(dictionaries, ("/OCSPs", "/OCSP"), DecodePurpose.OCSP_RESPONSE),
    )


def _streams(
    dictionaries: Iterable[generic.DictionaryObject], names: tuple[str, str], purpose: DecodePurpose
) -> tuple[bytes, ...]:
    found: dict[bytes, None] = {}
    for count, stream in enumerate(_each_stream(dictionaries, names)):
        if count >= MAX_STREAMS:
            raise DocumentTooComplex("the document holds more evidence than is read", limit="evidence")
        found[bytes(stream.read_data(purpose))] = None
    return tuple(found)


def _each_stream(
    dictionaries: Iterable[generic.DictionaryObject], names: tuple[str, str]
) -> Iterator[generic.StreamObject]:
    seen = set()
    for dictionary in dictionaries:
        for name in names:
            array = held(dictionary, name)
            for each in array if isinstance(array, generic.ArrayObject) else ():
                reference = getattr(each, "reference", None)
                if reference is not None and reference in seen:
                    continue
                seen.add(reference)
                stream = each.get_object()
                if isinstance(stream, generic.StreamObject):
                    yield stream


def _dictionary(holder: generic.DictionaryObject, name: str) -> generic.DictionaryObject:
    found = held(holder, name)
    return found if isinstance(found, generic.DictionaryObject) else generic.DictionaryObject()
