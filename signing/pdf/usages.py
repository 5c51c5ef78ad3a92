"""By which ways from the trailer an object of a revision is reached, for those objects that later revisions write.

The judge of differences wants every way by which an object that was written again had been used before. Ways can
multiply beyond counting in a file that is made for it, so they are walked only towards the objects asked for, in a
bounded number of steps. Pages and parts of the structure tree are entered by their own way only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import RawPdfPath

from signing.errors import DocumentTooComplex

MAX_STEPS = 300_000
MAX_LENGTH = 400
_Step = str | int
_Way = tuple[_Step, ...]
Reach = tuple[_Way, generic.Reference]
_STRUCTURE: _Way = ("/Root", "/StructTreeRoot", "/K")
_PAGES: _Way = ("/Root", "/Pages")


@dataclass(frozen=True, slots=True)
class Graph:
    """What every object that the trailer reaches holds, as ways within it to references."""

    start: tuple[Reach, ...]
    held: dict[generic.Reference, tuple[Reach, ...]]
    pages: dict[generic.Reference, _Way]
    structure: frozenset[generic.Reference]

    def below(self, holder: generic.Reference, key: str) -> set[generic.Reference]:
        """Everything reached through that key of that object."""
        waiting = [each for way, each in self.held.get(holder, ()) if way[:1] == (key,)]
        found: set[generic.Reference] = set()
        while waiting:
            reference = waiting.pop()
            if reference not in found:
                found.add(reference)
                waiting += [each for _, each in self.held.get(reference, ())]
        return found


def graph_of(
    trailer: generic.DictionaryObject,
    resolve: Callable[[generic.Reference], generic.PdfObject | None],
    before: Mapping[generic.Reference, tuple[Reach, ...]],
) -> Graph:
    """Every object is read once; ``resolve`` gives None for what is not there.

    ``before`` says what is in objects that are as they were in the revision before.
    """
    start = tuple(_references(trailer))
    held: dict[generic.Reference, tuple[Reach, ...]] = {}
    waiting = [reference for _, reference in start]
    while waiting:
        reference = waiting.pop()
        if reference in held:
            continue
        known = before.get(reference)
        held[reference] = tuple(_references(resolve(reference))) if known is None else known
        waiting += [each for _, each in held[reference] if each not in held]
    pages = _tree_of_pages(start, held)
    return Graph(start, held, pages, _structure_elements(start, held))


class Usages:
    """The ways to the objects of one revision that later ones write, and to the looks of annotations, found at once."""

    def __init__(self, graph: Graph, written: Iterable[generic.Reference]) -> None:
        looks = {each for held in graph.held.values() for way, each in held if way[-1:] == ("/AP",)}
        self._known = _ways(graph, {*written, *looks})

    def of(self, reference: generic.Reference) -> set[RawPdfPath]:
        """The ways from the trailer to it; nothing for an object that is not among those."""
        return self._known.get(reference, set())


def _ways(graph: Graph, aims: set[generic.Reference]) -> dict[generic.Reference, set[RawPdfPath]]:
    """Every way from the trailer to each of them; raises DocumentTooComplex."""
    leading = _leading_to(graph, aims)
    found: dict[generic.Reference, set[RawPdfPath]] = defaultdict(set)
    waiting: list[tuple[_Way, frozenset[generic.Reference], tuple[Reach, ...]]] = [
        ((), frozenset(), graph.start)
    ]
    steps = 0
    while waiting:
        way, passed, reaches = waiting.pop()
        for more, reference in reaches:
            steps += 1
            if steps > MAX_STEPS or len(way) > MAX_LENGTH:
                raise DocumentTooComplex(
                    "an object of the document is used in more ways than are read", limit="ways"
                )
            if reference not in leading or reference in passed:
                continue
            whole = way + more
            in_structure = whole[:3] == _STRUCTURE
            if in_structure and "/P" in more:
                continue
            if reference in aims:
                found[reference].add(RawPdfPath(*whole))
            elsewhere = graph.pages.get(reference, whole) != whole
            if not elsewhere and (in_structure or reference not in graph.structure):
                waiting.append((whole, passed | {reference}, graph.held.get(reference, ())))
    return dict(found)


def _leading_to(graph: Graph, aims: set[generic.Reference]) -> set[generic.Reference]:
    holders: dict[generic.Reference, list[generic.Reference]] = defaultdict(list)
    for holder, reaches in graph.held.items():
        for _, reference in reaches:
            holders[reference].append(holder)
    leading, waiting = set(aims), list(aims)
    while waiting:
        for holder in holders[waiting.pop()]:
            if holder not in leading:
                leading.add(holder)
                waiting.append(holder)
    return leading


def _references(whole: object) -> Iterable[Reach]:
    """The references in one object and the way to each, but for those to its parent."""
    waiting: list[tuple[_Way, object]] = [((), whole)]
    while waiting:
        way, item = waiting.pop()
        if isinstance(item, generic.IndirectObject):
            yield way, item.reference
        elif isinstance(item, generic.DictionaryObject):
            waiting += [((*way, str(key)), item.raw_get(key)) for key in item if key != "/Parent"]
        elif isinstance(item, generic.ArrayObject):
            waiting += [((*way, index), item.raw_get(index)) for index in range(len(item))]


def _tree_of_pages(
    start: tuple[Reach, ...], held: dict[generic.Reference, tuple[Reach, ...]]
) -> dict[generic.Reference, _Way]:
    """Each node with its own way; the first one counts where a node is named twice."""
    found: dict[generic.Reference, _Way] = {}
    waiting: list[tuple[generic.Reference, _Way]] = [
        (reference, _PAGES)
        for way, root in start
        if way == ("/Root",)
        for more, reference in held[root]
        if more == ("/Pages",)
    ]
    while waiting:
        node, way = waiting.pop()
        if node in found:
            continue
        found[node] = way
        waiting += [(kid, way + more) for more, kid in held[node] if len(more) == 2 and more[0] == "/Kids"]
    return found


def _structure_elements(
    start: tuple[Reach, ...], held: dict[generic.Reference, tuple[Reach, ...]]
) -> frozenset[generic.Reference]:
    found: set[generic.Reference] = set()
    waiting = [
        reference
        for way, root in start
        if way == ("/Root",)
        for more, top in held[root]
        if more == ("/StructTreeRoot",)
        for inner, reference in held[top]
        if inner and inner[0] == "/K"
    ]
    while waiting:
        element = waiting.pop()
        if element not in found:
            found.add(element)
            waiting += [each for way, each in held[element] if way and way[0] == "/K" and len(way) <= 2]
    return frozenset(found)
