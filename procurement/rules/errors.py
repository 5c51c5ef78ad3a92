"""Refusals of procurement: stable codes; ``fields["rule"]`` names the rule, ``article`` the clause."""

from __future__ import annotations

from kernel.errors import DomainError
from kernel.errors import FourEyes as FourEyes


class RuleBroken(DomainError):
    """A rule of the regime forbids it; the base of every refusal below."""

    code = "rule-broken"


class RegimeUnknown(RuleBroken):
    """No rule set of that name is in force on that day."""

    code = "regime-unknown"


# The notice.


class KindNotAllowed(RuleBroken):
    """The regime does not govern this nature of transaction by this method."""

    code = "transaction-kind-not-allowed"


class DatesOutOfOrder(RuleBroken):
    """The dates of the notice contradict each other or the present."""

    code = "dates-out-of-order"


class PeriodTooShort(RuleBroken):
    """Bidders are left less time than the law demands."""

    code = "period-too-short"


class PublicationsMissing(RuleBroken):
    """Too few, too many or too late announcements in the press."""

    code = "publications-missing"


class CommissionIncomplete(RuleBroken):
    """A seat of the commission is empty, doubled, or given twice to one person."""

    code = "commission-incomplete"


class QuorumTooSmall(RuleBroken):
    """The quorum is below what the law demands, or cannot be reached."""

    code = "quorum-too-small"


class ThresholdUnsafe(RuleBroken):
    """Too few key holders could open envelopes, or a single absence would close them for ever."""

    code = "opening-threshold-unsafe"


class NoticeMismatch(RuleBroken):
    """It was made for another notice, or the notice differs from what was approved."""

    code = "notice-mismatch"


# Preparing and publishing.


class KeySetUnfit(RuleBroken):
    """The key set does not belong to this commission and threshold."""

    code = "key-set-unfit"


class KeySetStale(RuleBroken):
    """The key set is missing or not the current one."""

    code = "key-set-stale"


# Submissions.


class TenderNotOpen(RuleBroken):
    """The tender takes no submissions: not yet published, or ended early."""

    code = "tender-not-open"


class SubmissionLate(RuleBroken):
    """Sealed after the deadline, or arrived after the grace."""

    code = "submission-late"


class SubmissionReplayed(RuleBroken):
    """This very manifest was received before."""

    code = "submission-replayed"


class LotUnknown(RuleBroken):
    """The notice has no such lot."""

    code = "lot-unknown"


class BidderInCommission(RuleBroken):
    """Who decides does not bid."""

    code = "bidder-in-commission"


class WithdrawalLate(RuleBroken):
    """A submission is withdrawn before the deadline or not at all."""

    code = "withdrawal-late"


class NothingToWithdraw(RuleBroken):
    """The named manifest is not this bidder's current one."""

    code = "nothing-to-withdraw"


class SubmissionNumberStale(RuleBroken):
    """The submission number is not the next one of this bidder and lot."""

    code = "submission-number-stale"


class BlobMismatch(RuleBroken):
    """Length or digest of an upload is not what the header declared."""

    code = "blob-mismatch"


# Openings and decisions.


class TooEarly(RuleBroken):
    """The time for this step has not come."""

    code = "too-early"


class BidValidityOver(RuleBroken):
    """The bids no longer bind anyone."""

    code = "bid-validity-over"


class NotAMember(RuleBroken):
    """The party holds no seat that allows this."""

    code = "not-a-member"


class ConflictOfInterest(RuleBroken):
    """A member who declared a conflict does not sit in that session."""

    code = "conflict-of-interest"


class QuorumMissing(RuleBroken):
    """The session lacks a seat, the head or the number of members."""

    code = "quorum-missing"


class NotPresent(RuleBroken):
    """The party is not among those present in that session."""

    code = "not-present"


class BatchRepeated(RuleBroken):
    """The member has handed in its shares for this session already."""

    code = "batch-repeated"


class TooFewBatches(RuleBroken):
    """Fewer members than the threshold have handed in their shares."""

    code = "too-few-batches"


class MinutesStale(RuleBroken):
    """The minutes were signed by somebody else meanwhile, or prepared too long ago; prepare them anew and sign that."""

    code = "minutes-stale"


class NotEligible(RuleBroken):
    """The envelopes named are not exactly those that may be opened now."""

    code = "not-eligible"


class DocumentMismatch(RuleBroken):
    """The document refers to another document than the one in force."""

    code = "document-mismatch"


class MajorityMissing(RuleBroken):
    """Fewer than a majority of the members present have signed."""

    code = "majority-missing"


class DecisionIncomplete(RuleBroken):
    """A decision names every bid of its stage once and gives a reason for each rejection."""

    code = "decision-incomplete"


class BidNotAcceptable(RuleBroken):
    """The decision accepts a bid that was not opened or whose guarantee falls short."""

    code = "bid-not-acceptable"


class AwardNotByPrices(RuleBroken):
    """The award is not the one that follows from the opened prices by the tender's own rules."""

    code = "award-not-by-prices"


class ExtensionRefused(RuleBroken):
    """The price opening is moved once, to a later time, within the validity of the bids."""

    code = "extension-refused"


class GroundUnknown(RuleBroken):
    """The law does not know this ground for ending a tender, or it does not apply now."""

    code = "ground-unknown"


class ReturnsIncomplete(RuleBroken):
    """Closing returns every unopened envelope, and no opened one."""

    code = "returns-incomplete"
