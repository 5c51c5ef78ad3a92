"""docs/problems.md says what the table, the refusals and the rules say."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.api.problem_page import EDGE, RULES, problem_page, refusals
from app.api.problem_table import PROBLEMS
from kernel.errors import DomainError
from procurement.rules import errors
from procurement.rules.regime_data import REGIMES

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "kernel",
    "schemas",
    "pki",
    "events",
    "signing",
    "authenticity",
    "transparency",
    "sealing",
    "documents",
    "identity",
    "procurement",
    "custodian",
    "client",
    "audit",
    "app",
)
# Run by Alembic only, inside a migration.
NOT_IMPORTABLE = {"app.migrations.env"}


def subclasses(base: type[DomainError]) -> Iterator[type[DomainError]]:
    for each in base.__subclasses__():
        yield each
        yield from subclasses(each)


@pytest.fixture(scope="module")
def declared() -> set[type[DomainError]]:
    """Every refusal of every package, found by importing all of them."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name not in NOT_IMPORTABLE:
                importlib.import_module(module.name)
    return {each for each in subclasses(DomainError) if each.__module__.split(".")[0] in ROOMS}


def raised_by_rules() -> Iterator[str]:
    """The names of the classes in every call ``<rule>.refusal(Class, ...)``."""
    for path in sorted((ROOT / "procurement").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "refusal"
                and isinstance(node.args[0], ast.Name)
            ):
                yield node.args[0].id


def test_the_page_is_current() -> None:
    """Making the page anew changes nothing."""
    assert (ROOT / "docs" / "problems.md").read_text("utf-8") == problem_page()


def test_every_refusal_is_on_the_page(declared: set[type[DomainError]]) -> None:
    """No refusal of any package is missing among those that the page is made of."""
    missing = declared - set(refusals())
    assert sorted(f"{each.__module__}.{each.__name__}" for each in missing) == []


def test_every_code_is_on_the_page_once() -> None:
    """Each code of the HTTP table and of the clients has exactly one line."""
    page = problem_page()
    codes = {each.code for each in refusals()} | set(PROBLEMS)
    assert {code: page.count(f"\n| `{code}` |") for code in codes} == dict.fromkeys(codes, 1)
    assert set(PROBLEMS) - {each.code for each in refusals()} == set(EDGE)


def test_every_refusal_says_what_it_means() -> None:
    """The page takes the meaning from the docstring, so each class has one of its own."""
    assert [each.__name__ for each in refusals() if "__doc__" not in vars(each) or not each.__doc__] == []


def test_every_refusal_by_a_rule_is_listed_with_its_rules() -> None:
    """What a rule refuses is on the page with that rule, and rules that do not exist are not named."""
    by_rules = {getattr(errors, name).code for name in raised_by_rules()}
    assert by_rules == set(RULES)
    known = {rule.id for regime in REGIMES for rule in regime.rules}
    assert {name for names in RULES.values() for name in names} <= known
