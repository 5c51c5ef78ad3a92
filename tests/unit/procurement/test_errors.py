"""Codes of refusals are stable: lower-case, with hyphens, one for each error."""

from __future__ import annotations

import re

from procurement.rules import errors
from procurement.rules.errors import RuleBroken

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RuleBroken)]


def test_each_refusal_has_a_code_of_its_own() -> None:
    """No two refusals share a code, and each says in a docstring when it is made."""
    codes = [kind.code for kind in KINDS]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    assert all(kind.__doc__ for kind in KINDS)
