"""The library's rules of what a revision may change, with our own for what stands by itself.

Nothing in the document security store is ever shown, and writers of every make write it anew in whole or in part; so
anything may change in it. What may change in the resources of the form and in what is said of colours, the names of
changes tell (``form_changes.py``, ``colours.py``). An object that was also used elsewhere is not explained by standing
there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import HistoricalResolver, RawPdfPath
from pyhanko.sign.diff_analysis import (
    CatalogModificationRule,
    DocInfoRule,
    FieldComparisonContext,
    FieldComparisonSpec,
    FormUpdate,
    FormUpdatingRule,
    GenericFieldModificationRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
    StandardDiffPolicy,
    XrefStreamRule,
)
from pyhanko.sign.diff_analysis.constants import ROOT_EXEMPT_STRICT_COMPARISON
from pyhanko.sign.diff_analysis.rules_api import Context, ReferenceUpdate, WhitelistRule

from signing.pdf.opening import Resolver, held


class BelowRule(WhitelistRule):
    """Whatever stands below a place in the catalog, and was nowhere else before."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:
        """What this explains of what ``new`` writes."""
        graph = cast(Resolver, new).graph
        written = new.explicit_refs_in_revision()
        place = ("/Root", *self._keys)
        for reference in graph.below(new.root_ref, *self._keys) & written:
            usages = old._get_usages_of_ref(reference)
            if not usages:
                yield ReferenceUpdate(reference)
            for path in usages:
                if path.path[: len(place)] == place:
                    yield ReferenceUpdate(
                        reference, context_checked=Context.from_absolute(old, RawPdfPath(*path))
                    )


class WidgetRule(GenericFieldModificationRule):
    """The widgets of a field that has several are filled as the field is; the library's rules know fields alone."""

    def check_form_field(
        self, fq_name: str, spec: FieldComparisonSpec, context: FieldComparisonContext
    ) -> Iterable[tuple[ModificationLevel, FormUpdate]]:
        """What this explains of one field."""
        for each in _widgets(spec, cast(Resolver, context.new)):
            yield from super().check_form_field(fq_name, each, context)


def _widgets(spec: FieldComparisonSpec, new: Resolver) -> Iterator[FieldComparisonSpec]:
    """Those that are written anew, or one of whose looks is."""
    path, kids = spec.old_canonical_path, _kids(spec.new_field)
    before = _kids(spec.old_field)
    if path is None or before != kids:
        return
    written = new.explicit_refs_in_revision()
    for index, (old_kid, kid) in enumerate(zip(before, kids, strict=True)):
        if not written & {kid, *new.graph.looks_of(kid)} or held(kid.get_object(), "/T") is not None:
            continue
        yield FieldComparisonSpec(spec.field_type, old_kid, kid, RawPdfPath(*path.path, "/Kids", index))


def _kids(field: object) -> list[generic.Reference]:
    found = held(field, "/Kids")
    raw = (
        [found.raw_get(each) for each in range(len(found))] if isinstance(found, generic.ArrayObject) else []
    )
    return [each.reference for each in raw if isinstance(each, generic.IndirectObject)]


POLICY = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(ROOT_EXEMPT_STRICT_COMPARISON | {"/OutputIntents"}),
        DocInfoRule().as_qualified(ModificationLevel.LTA_UPDATES),
        XrefStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
        ObjectStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
        BelowRule("/DSS").as_qualified(ModificationLevel.LTA_UPDATES),
        BelowRule("/AcroForm", "/DR").as_qualified(ModificationLevel.FORM_FILLING),
        BelowRule("/OutputIntents").as_qualified(ModificationLevel.FORM_FILLING),
        MetadataUpdateRule().as_qualified(ModificationLevel.LTA_UPDATES),
    ],
    form_rule=FormUpdatingRule(
        [SigFieldCreationRule(), SigFieldModificationRule(), GenericFieldModificationRule(), WidgetRule()]
    ),
)
