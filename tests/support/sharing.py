"""Which tests stay together in one process when several share a run: those that rest on one installation."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

# Files of tests/e2e with installations of their own; all others rest on the one of their kind of database.
OF_THEIR_OWN = frozenset(
    f"tests/e2e/test_{name}.py"
    for name in (
        "bad_input_openings",
        "crashes",
        "database_faults",
        "export_amid_work",
        "forgers",
        "kafka",
        "many_bidders",
        "stuck",
        "unsuccessful",
        "uploads",
    )
)
_KIND = re.compile(r"\[(sqlite|postgresql)\b")


class ByInstallation(LoadScopeScheduling):  # type: ignore[misc]
    """A group is the tests of one file, or of one installation, on one kind of database."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The name of a test's group."""
    path = nodeid.partition("::")[0]
    kind = _KIND.search(nodeid)
    is_shared = path.startswith("tests/e2e/") and path not in OF_THEIR_OWN
    return f"{'installation' if is_shared else path} {kind[1] if kind else ''}"
