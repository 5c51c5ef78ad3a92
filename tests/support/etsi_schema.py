"""The schema of ETSI TS 119 102-2 v1.4.1, read out of the jars of the EU's signature library; nothing is fetched.

The schemas import each other by address; here each import is answered by the namespace it asks for.
"""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

_XSD = "{http://www.w3.org/2001/XMLSchema}"
# By the namespace that is imported: the jar's name, and the file in it.
_FILES = {
    "http://uri.etsi.org/19102/v1.4.1#": ("specs-validation-report", "xsd/TS119102-2-v141.xsd"),
    "http://uri.etsi.org/01903/v1.3.2#": ("specs-xades", "xsd/XAdES01903v132-202407.xsd"),
    "http://uri.etsi.org/02231/v2#": ("specs-trusted-list", "xsd/ts_119612v020101_xsd.xsd"),
    "http://www.w3.org/2000/09/xmldsig#": ("specs-xmldsig", "xsd/xmldsig-core-schema.xsd"),
    "http://www.w3.org/XML/1998/namespace": ("specs-xmldsig", "xsd/xml.xsd"),
}
_REPORT = next(iter(_FILES))


@lru_cache(maxsize=1)
def report_schema(jars: Path) -> Any:
    """The compiled schema; ``jars`` is the folder with the library."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    parser.resolvers.add(_Jars(jars))
    return etree.XMLSchema(etree.fromstring(_named(jars, _REPORT), parser))


class _Jars(etree.Resolver):  # type: ignore[misc]
    def __init__(self, jars: Path) -> None:
        self._jars = jars

    def resolve(self, url: str, public_id: str, context: Any) -> Any:
        namespace = url.removeprefix("namespace:")
        return self.resolve_string(_named(self._jars, namespace), context, base_url=url)


def _named(jars: Path, namespace: str) -> bytes:
    """The schema of that namespace, its imports naming namespaces in place of addresses."""
    jar, path = _FILES[namespace]
    (found,) = jars.glob(f"{jar}-*.jar")
    with zipfile.ZipFile(found) as archive:
        parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
        root = etree.fromstring(archive.read(path), parser)
    for each in root.iter(f"{_XSD}import"):
        each.set("schemaLocation", f"namespace:{each.get('namespace')}")
    return bytes(etree.tostring(root))
