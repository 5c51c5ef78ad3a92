"""Three seats, all filled; alternates sit for two of them; a majority decides (Art. 5)."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.rules.commission import check_quorum, has_majority, head_of, seat_of, seated
from procurement.rules.errors import NotAMember, QuorumMissing
from procurement.rules.notice import CommissionSeat
from procurement.rules.regimes import rules_at
from tests.unit.procurement import journey as j

SEATS = j.draft().commission
RULES = rules_at("tenders-1383", j.PUBLISHED)
VOTERS = (j.HEAD, j.FINANCE, j.TECHNICAL, j.ALTERNATE)


def holds(*present: str) -> bool:
    try:
        check_quorum(j.draft(), present, RULES)
    except QuorumMissing:
        return False
    return True


def test_seats_are_found() -> None:
    """A party's seat is the notice's, a stranger has none."""
    assert head_of(SEATS) == j.HEAD
    assert seat_of(SEATS, j.OBSERVER) == "observer"
    assert seat_of(SEATS, "B-1") is None


@pytest.mark.parametrize(
    "present", [c for n in range(5) for c in combinations(VOTERS, n)], ids=lambda present: "+".join(present)
)
def test_quorum_over_every_attendance(present: tuple[str, ...]) -> None:
    """A session is valid with the head and two more, whoever of the others is replaced by the alternate."""
    assert holds(*present) == (j.HEAD in present and len(present) >= 3)


def test_nobody_sits_for_the_head() -> None:
    """Without the head the refusal cites Art. 5(d)."""
    with pytest.raises(QuorumMissing) as refusal:
        check_quorum(j.draft(), (j.FINANCE, j.TECHNICAL, j.ALTERNATE), RULES)
    assert refusal.value.article == "Tenders Law 1383 Art. 5(d)"


def test_one_alternate_fills_one_seat() -> None:
    """One alternate cannot be finance and technical at once; the refusal cites Art. 5(c)."""
    with pytest.raises(QuorumMissing) as refusal:
        check_quorum(j.draft(), (j.HEAD, j.ALTERNATE), RULES)
    assert refusal.value.article == "Tenders Law 1383 Art. 5(c)"
    assert refusal.value.fields["empty_seats"] == ["technical"]


@pytest.mark.parametrize("stranger", [j.OBSERVER, "B-1"])
def test_who_has_no_vote_is_not_present(stranger: str) -> None:
    """An observer or a stranger on the list of those present is refused."""
    with pytest.raises(NotAMember):
        check_quorum(j.draft(), (*j.MEMBERS, stranger), RULES)


def test_nobody_is_present_twice() -> None:
    """A doubled name does not fill a quorum."""
    assert not holds(j.HEAD, j.FINANCE, j.TECHNICAL, j.TECHNICAL)


def test_a_higher_quorum_of_the_notice_counts() -> None:
    """When the notice asks for four, three are too few."""
    four = j.draft(j.draft_fields(quorum=4))

    with pytest.raises(QuorumMissing):
        check_quorum(four, j.MEMBERS, RULES)
    check_quorum(four, VOTERS, RULES)


def test_alternates_sit_by_their_order() -> None:
    """The alternate stands in for finance before technical, and for nobody who is there."""
    assert seated(SEATS, (j.HEAD, j.TECHNICAL, j.ALTERNATE))["finance"] == j.ALTERNATE
    assert j.ALTERNATE not in seated(SEATS, VOTERS).values()


@pytest.mark.parametrize(
    ("present", "signers", "decides"),
    [
        (j.MEMBERS, (j.HEAD,), False),
        (j.MEMBERS, (j.HEAD, j.FINANCE), True),
        (j.MEMBERS, (j.FINANCE, j.TECHNICAL), True),
        (j.MEMBERS, (j.HEAD, j.ALTERNATE), False),
        (VOTERS, (j.HEAD, j.FINANCE), False),
        (VOTERS, (j.HEAD, j.FINANCE, j.ALTERNATE), True),
        (VOTERS, (j.HEAD, j.ALTERNATE, j.OBSERVER), False),
        ((j.HEAD, j.TECHNICAL, j.ALTERNATE), (j.HEAD, j.ALTERNATE), True),
    ],
)
def test_majority(present: tuple[str, ...], signers: tuple[str, ...], decides: bool) -> None:
    """More than half of those present and of the three seats; signatures of others count nothing."""
    assert has_majority(SEATS, present, signers) is decides


@given(st.sets(st.sampled_from(VOTERS)), st.sets(st.sampled_from((*VOTERS, j.OBSERVER, "B-1"))))
def test_two_opposing_majorities_never_exist(present: set[str], signers: set[str]) -> None:
    """Of two groups without a common signer only one can decide."""
    others = set(present) - signers

    assert not (has_majority(SEATS, present, signers) and has_majority(SEATS, present, others))


def test_alternates_do_not_outvote_the_seats() -> None:
    """Of five present, the head and two alternates are three, but one of the three seats only."""
    commission = (*SEATS, CommissionSeat("IR-6", "x", "alternate"))
    present = (*VOTERS, "IR-6")

    assert not has_majority(commission, present, (j.HEAD, j.ALTERNATE, "IR-6"))
    assert has_majority(commission, present, (j.HEAD, j.FINANCE, "IR-6"))
