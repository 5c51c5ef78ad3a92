"""The library's rules of what a revision may change, with our own for the document security store.

Nothing in the store is ever shown, and writers of every make write it anew in whole or in part; so anything may change
in it. An object that was also used elsewhere is not explained by standing there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from pyhanko.pdf_utils.reader import HistoricalResolver, RawPdfPath
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    CatalogModificationRule,
    DocInfoRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    StandardDiffPolicy,
    XrefStreamRule,
)
from pyhanko.sign.diff_analysis.rules_api import Context, ReferenceUpdate, WhitelistRule

from signing.pdf.opening import Resolver

_STORE = ("/Root", "/DSS")


class StoreRule(WhitelistRule):
    """Whatever stands below the catalog's DSS, and was nowhere else before."""

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:
        """What this explains of what ``new`` writes."""
        graph = cast(Resolver, new).graph
        written = new.explicit_refs_in_revision()
        for reference in graph.below(new.root_ref, _STORE[1]) & written:
            usages = old._get_usages_of_ref(reference)
            if not usages:
                yield ReferenceUpdate(reference)
            for path in usages:
                if path.path[:2] == _STORE:
                    yield ReferenceUpdate(
                        reference, context_checked=Context.from_absolute(old, RawPdfPath(*path))
                    )


POLICY = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(),
        DocInfoRule().as_qualified(ModificationLevel.LTA_UPDATES),
        XrefStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
        ObjectStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
        StoreRule().as_qualified(ModificationLevel.LTA_UPDATES),
        MetadataUpdateRule().as_qualified(ModificationLevel.LTA_UPDATES),
    ],
    form_rule=DEFAULT_DIFF_POLICY.form_rule,
)
