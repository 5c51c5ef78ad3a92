"""Who sits, who is enough, and when a decision is in force (Tenders Law Art. 5)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from procurement.rules.errors import NotAMember, QuorumMissing
from procurement.rules.notice import CommissionSeat, NoticeDraft
from procurement.rules.rule import RulesOfTheDay


def seat_of(commission: Sequence[CommissionSeat], party: str) -> str | None:
    """The seat that a party holds, or None."""
    return next((seat.seat for seat in commission if seat.party == party), None)


def head_of(commission: Sequence[CommissionSeat]) -> str:
    """The party in the seat of the head, who chairs."""
    return next(seat.party for seat in commission if seat.seat == "head")


def seated(commission: Sequence[CommissionSeat], present: Collection[str]) -> dict[str, str]:
    """Who fills each of the three seats: its holder, else the first alternate present who fills no other.

    Alternates stand in by their order in the notice, for finance before technical, never for the head.
    A seat that nobody fills is not in the answer.
    """
    filled: dict[str, str] = {}
    alternates = [seat.party for seat in commission if seat.seat == "alternate" and seat.party in present]
    for wanted in ("head", "finance", "technical"):
        holder = next(seat.party for seat in commission if seat.seat == wanted)
        if holder in present:
            filled[wanted] = holder
        elif wanted != "head" and alternates:
            filled[wanted] = alternates.pop(0)
    return filled


def check_quorum(notice: NoticeDraft, present: Sequence[str], rules: RulesOfTheDay) -> None:
    """Raises NotAMember or QuorumMissing unless ``present`` can hold a session."""
    for party in present:
        if seat_of(notice.commission, party) in (None, "observer"):
            raise rules["commission-seats"].refusal(
                NotAMember, "the list of those present names somebody without a vote", party=party
            )
    if head_of(notice.commission) not in present:
        raise rules["head-attends"].refusal(QuorumMissing, "the head of the commission is not present")
    empty = [seat for seat in ("finance", "technical") if seat not in seated(notice.commission, present)]
    if empty or len(set(present)) < notice.quorum or len(set(present)) != len(present):
        raise rules["quorum"].refusal(
            QuorumMissing, "too few members are present", empty_seats=empty, needed=notice.quorum
        )


def has_majority(
    commission: Sequence[CommissionSeat], present: Collection[str], signers: Collection[str]
) -> bool:
    """Whether the signers are more than half of those present and more than half of the three seats."""
    seats = set(seated(commission, present).values())
    agreed = set(signers) & set(present)
    return 2 * len(agreed) > len(present) and 2 * len(agreed & seats) > len(seats)
