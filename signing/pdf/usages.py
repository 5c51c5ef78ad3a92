"""By which ways from the trailer an object of a revision is reached, for those objects that later revisions write.

The judge of differences wants every way by which an object that was written again had been used before. Ways can
multiply beyond counting in a file that is made for it, so they are walked only towards the objects asked for, in a
bounded number of steps. Pages and parts of the structure tree are entered by their own way only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import RawPdfPath

from signing.errors import DocumentTooComplex
from signing.pdf.plain_objects import Reach, Way, number_of, reference_of

MAX_STEPS = 300_000
MAX_LENGTH = 400
_STRUCTURE: Way = ("/Root", "/StructTreeRoot", "/K")
_PAGES: Way = ("/Root", "/Pages")
_LOOKS = "/AP"


@dataclass(frozen=True, slots=True)
class Graph:
    """What every object that the trailer reaches holds, as ways within it to others; objects by ``number_of``."""

    start: tuple[Reach, ...]
    held: dict[int, tuple[Reach, ...]]
    tree: dict[int, Way]
    structure: frozenset[int]

    @property
    def pages(self) -> dict[generic.Reference, Way]:
        """Pages and the nodes above them."""
        return {reference_of(node): way for node, way in self.tree.items()}

    def __contains__(self, reference: generic.Reference) -> bool:
        return number_of(reference) in self.held

    def below(self, holder: generic.Reference, *keys: str) -> set[generic.Reference]:
        """Everything reached through those keys, one in the other, of that object."""
        waiting = list(self._through(number_of(holder), keys))
        found: set[int] = set()
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += [each for _, each in self.held.get(number, ())]
        return {reference_of(each) for each in found}

    def looks_of(self, annotation: generic.Reference) -> set[generic.Reference]:
        """Its dictionary of looks, each look, and those for the states of a button; not what a look is made of."""
        level = [each for way, each in self.held.get(number_of(annotation), ()) if way[:1] == (_LOOKS,)]
        found = set(level)
        for _ in range(2):
            reached = [reach for each in level for reach in self.held.get(each, ())]
            level = [each for way, each in reached if "/Resources" not in way]
            found.update(level)
        return {reference_of(each) for each in found}

    def _through(self, holder: int, keys: Way) -> Iterator[int]:
        for way, each in self.held.get(holder, ()):
            if way[: len(keys)] == keys:
                yield each
            elif way and way == keys[: len(way)]:
                yield from self._through(each, keys[len(way) :])


def graph_of(
    trailer: generic.DictionaryObject,
    reaches: Callable[[int], tuple[Reach, ...]],
    before: Mapping[int, tuple[Reach, ...]],
) -> Graph:
    """Every object is read once; ``reaches`` says what one holds, nothing for what is not there.

    ``before`` says what is in objects that are as they were in the revision before.
    """
    start = tuple(references_in(trailer))
    held: dict[int, tuple[Reach, ...]] = {}
    waiting = [number for _, number in start]
    while waiting:
        number = waiting.pop()
        if number in held:
            continue
        known = before.get(number)
        held[number] = reaches(number) if known is None else known
        waiting += [each for _, each in held[number] if each not in held]
    return Graph(start, held, _tree_of_pages(start, held), _structure_elements(start, held))


class Usages:
    """The ways to the objects of one revision that later ones write, and to the looks of annotations, found at once."""

    def __init__(self, graph: Graph, written: Iterable[generic.Reference]) -> None:
        looks = {each for held in graph.held.values() for way, each in held if way[-1:] == (_LOOKS,)}
        self._known = _ways(graph, {*map(number_of, written), *looks})

    def of(self, reference: generic.Reference) -> set[RawPdfPath]:
        """The ways from the trailer to it; nothing for an object that is not among those."""
        return self._known.get(number_of(reference), set())


def _ways(graph: Graph, aims: set[int]) -> dict[int, set[RawPdfPath]]:
    """Every way from the trailer to each of them; raises DocumentTooComplex."""
    leading = _leading_to(graph, aims)
    found: dict[int, set[RawPdfPath]] = defaultdict(set)
    waiting: list[tuple[Way, frozenset[int], tuple[Reach, ...]]] = [((), frozenset(), graph.start)]
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
            elsewhere = graph.tree.get(reference, whole) != whole
            if not elsewhere and (in_structure or reference not in graph.structure):
                waiting.append((whole, passed | {reference}, graph.held.get(reference, ())))
    return dict(found)


def _leading_to(graph: Graph, aims: set[int]) -> set[int]:
    holders: dict[int, list[int]] = defaultdict(list)
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


def references_in(whole: object) -> Iterable[Reach]:
    """The references in one object and the way to each, but for those to its parent."""
    waiting: list[tuple[Way, object]] = [((), whole)]
    while waiting:
        way, item = waiting.pop()
        if isinstance(item, generic.IndirectObject):
            yield way, number_of(item.reference)
        elif isinstance(item, generic.DictionaryObject):
            waiting += [((*way, str(key)), item.raw_get(key)) for key in item if key != "/Parent"]
        elif isinstance(item, generic.ArrayObject):
            waiting += [((*way, index), item.raw_get(index)) for index in range(len(item))]


def _tree_of_pages(start: tuple[Reach, ...], held: dict[int, tuple[Reach, ...]]) -> dict[int, Way]:
    """Each node with its own way; the first one counts where a node is named twice."""
    found: dict[int, Way] = {}
    waiting: list[tuple[int, Way]] = [
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


def _structure_elements(start: tuple[Reach, ...], held: dict[int, tuple[Reach, ...]]) -> frozenset[int]:
    found: set[int] = set()
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
