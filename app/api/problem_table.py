"""Status and title of every error code. 422: the form or a rule; 409: not in this state; 403: not yours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """How a code looks over HTTP."""

    status: int
    title: str


INTERNAL = ProblemKind(500, "Internal error")

_GENERAL = {
    "malformed-input": ProblemKind(422, "Malformed input"),
    "limit-exceeded": ProblemKind(413, "Beyond a stated limit"),
    "request-too-slow": ProblemKind(408, "The request arrived too slowly"),
    "headers-too-large": ProblemKind(431, "Too many or too long header fields"),
    "method-not-allowed": ProblemKind(405, "Method not allowed"),
    "not-found": ProblemKind(404, "Not found"),
    "unauthenticated": ProblemKind(401, "Not signed in"),
    "forbidden": ProblemKind(403, "Not allowed to this party"),
    "wrong-state": ProblemKind(409, "Not in this state"),
    "conflict": ProblemKind(409, "Clashes with what is recorded"),
    "unavailable": ProblemKind(503, "A needed service does not answer"),
    "database-unavailable": ProblemKind(503, "The database does not answer"),
    "database-unsuitable": ProblemKind(503, "The database is not fit for use"),
    "bus-unavailable": ProblemKind(503, "The event bus does not answer"),
    "storage-full": ProblemKind(507, "No room left"),
    "schema-behind": ProblemKind(503, "The database must be migrated first"),
    "internal": INTERNAL,
}

_IDENTITY = {
    "challenge-unknown": ProblemKind(401, "Unknown challenge"),
    "challenge-expired": ProblemKind(401, "Challenge has expired"),
    "challenge-used": ProblemKind(401, "Challenge was used before"),
    "login-refused": ProblemKind(401, "Signing in refused"),
    "session-ended": ProblemKind(401, "Session has ended"),
    "too-many-challenges": ProblemKind(429, "Too many challenges wait for an answer"),
    "role-missing": ProblemKind(403, "Role missing"),
    "party-known": ProblemKind(409, "Party is registered already"),
    "own-roles": ProblemKind(403, "Nobody changes his own roles"),
}

_PKI_AND_SIGNING = {
    "certificate-untrusted": ProblemKind(422, "Certificate not trusted"),
    "certificate-expired": ProblemKind(422, "Certificate not valid at that time"),
    "certificate-revoked": ProblemKind(422, "Certificate revoked"),
    "revocation-unknown": ProblemKind(503, "Revocation cannot be judged now"),
    "proposal-needed": ProblemKind(403, "Two registrars are needed"),
    "certificate-request-invalid": ProblemKind(422, "Certificate request not acceptable"),
    "certificate-subject-forbidden": ProblemKind(422, "Subject not allowed by the profile"),
    "certificate-extension-forbidden": ProblemKind(422, "Extension not allowed by the profile"),
    "certificate-key-weak": ProblemKind(422, "Key too weak"),
    "certificate-lint-failed": ProblemKind(422, "Certificate would break a rule of its standard"),
    "key-reused": ProblemKind(409, "Key was certified before"),
    "renewal-refused": ProblemKind(409, "No renewal of this certificate"),
    "timestamp-invalid": ProblemKind(422, "Time stamp not valid"),
    "key-unavailable": ProblemKind(503, "A key is not at hand"),
    "authority-not-active": ProblemKind(503, "No authority may issue now"),
    "approval-missing": ProblemKind(403, "Two operators must sign"),
    "ceremony-refused": ProblemKind(409, "Ceremony refused"),
    "transcript-invalid": ProblemKind(503, "Transcript of a ceremony not valid"),
    "token-unavailable": ProblemKind(503, "The token with the keys does not answer"),
    "token-pin-refused": ProblemKind(503, "The token refuses the PIN"),
    "token-mechanism-missing": ProblemKind(503, "The token cannot do this"),
    "signature-invalid": ProblemKind(422, "Signature not valid"),
    "wrong-signer": ProblemKind(422, "Signed by another party"),
    "signature-level-unreachable": ProblemKind(503, "No service for that level of signature"),
    "timestamp-unavailable": ProblemKind(503, "A time-stamping service does not answer"),
    "evidence-unavailable": ProblemKind(503, "Evidence for a signature cannot be had"),
    "document-unreadable": ProblemKind(422, "Document not readable"),
    "document-encrypted": ProblemKind(422, "Document encrypted"),
    "document-too-complex": ProblemKind(422, "Document beyond a limit"),
    "signing-forbidden": ProblemKind(409, "The document forbids this signature"),
    "signature-too-long": ProblemKind(422, "Signature longer than the room kept for it"),
    "prepared-unknown": ProblemKind(404, "No such prepared document"),
    "prepared-expired": ProblemKind(409, "Prepared document expired"),
    "prepared-completed": ProblemKind(409, "Prepared document completed before"),
    "trust-folder-invalid": ProblemKind(422, "Trust anchors or policy not readable"),
}

_LOG = {
    "note-invalid": ProblemKind(422, "Signed note not valid"),
    "proof-invalid": ProblemKind(422, "Proof does not hold"),
    "log-unknown": ProblemKind(404, "Log not known here"),
    "log-forked": ProblemKind(503, "The log stands still: what is stored contradicts what was signed"),
    "checkpoint-unsigned": ProblemKind(403, "Checkpoint lacks the signature of its log"),
    "checkpoint-stale": ProblemKind(409, "Proof starts from another size"),
    "checkpoint-inconsistent": ProblemKind(409, "Tree does not extend the last one"),
}

_SEALING = {
    "envelope-invalid": ProblemKind(422, "Envelope not valid"),
    "headers-mismatch": ProblemKind(422, "Headers differ from the manifest"),
    "key-set-invalid": ProblemKind(422, "Key set not valid"),
    "payload-invalid": ProblemKind(422, "Payload of an envelope not valid"),
    "share-invalid": ProblemKind(422, "Share not valid"),
    "envelope-unopenable": ProblemKind(422, "Envelope cannot be opened"),
    "opening-disputed": ProblemKind(409, "Opening disputed"),
}

_CUSTODIAN = {
    "custodian-refused": ProblemKind(409, "The custodian refuses"),
    "custodian-keys-unknown": ProblemKind(404, "The custodian has no keys for this tender"),
    "custodian-keys-destroyed": ProblemKind(409, "The keys of this tender were destroyed"),
    "custodian-folder-unfit": ProblemKind(503, "The custodian's folder is not in order"),
    "key-set-refused": ProblemKind(409, "The custodian does not stand behind this key set"),
    "batches-missing": ProblemKind(409, "Too few members have handed in their shares"),
    "release-conflict": ProblemKind(409, "Released before on another request"),
    "tender-end-not-proven": ProblemKind(409, "The end of the tender is not proven"),
    "journal-damaged": ProblemKind(503, "The custodian's journal is damaged"),
    "journal-stopped": ProblemKind(503, "The custodian's journal could not be written"),
    "journal-not-cosigned": ProblemKind(503, "The custodian's journal is not cosigned yet"),
    "package-refused": ProblemKind(422, "Opening package refused"),
    "published-document-refused": ProblemKind(422, "Published document refused"),
}

_PROCUREMENT = {
    "rule-broken": ProblemKind(422, "A rule forbids it"),
    "regime-unknown": ProblemKind(422, "No such rules in force on that day"),
    "transaction-kind-not-allowed": ProblemKind(422, "Not a transaction of this regime"),
    "dates-out-of-order": ProblemKind(422, "Dates out of order"),
    "period-too-short": ProblemKind(422, "Period too short"),
    "publications-missing": ProblemKind(422, "Announcements in the press do not suffice"),
    "commission-incomplete": ProblemKind(422, "Commission incomplete"),
    "quorum-too-small": ProblemKind(422, "Quorum too small"),
    "opening-threshold-unsafe": ProblemKind(422, "Opening threshold unsafe"),
    "notice-mismatch": ProblemKind(409, "Another notice is in force"),
    "four-eyes": ProblemKind(403, "Nobody approves what he entered"),
    "key-set-unfit": ProblemKind(422, "Key set does not fit this commission"),
    "key-set-stale": ProblemKind(409, "Key set is not the current one"),
    "tender-not-open": ProblemKind(409, "Tender takes no submissions"),
    "submission-late": ProblemKind(409, "Submission late"),
    "submission-replayed": ProblemKind(409, "Submission received before"),
    "submission-number-stale": ProblemKind(409, "Submission number is not the next"),
    "lot-unknown": ProblemKind(422, "No such lot"),
    "bidder-in-commission": ProblemKind(403, "Who decides does not bid"),
    "withdrawal-late": ProblemKind(409, "Too late to withdraw"),
    "nothing-to-withdraw": ProblemKind(409, "Nothing to withdraw"),
    "upload-in-progress": ProblemKind(409, "The same blob is arriving already"),
    "upload-offset": ProblemKind(409, "Does not go on where the upload broke"),
    "upload-restart": ProblemKind(409, "Upload must begin anew"),
    "upload-broken": ProblemKind(408, "Upload broke off"),
    "too-many-uploads": ProblemKind(429, "Too many uploads at once"),
    "blob-mismatch": ProblemKind(422, "Upload differs from its header"),
    "too-early": ProblemKind(409, "Too early"),
    "bid-validity-over": ProblemKind(409, "Validity of the bids is over"),
    "not-a-member": ProblemKind(403, "No seat for this in the commission"),
    "conflict-of-interest": ProblemKind(403, "Conflict of interest declared"),
    "quorum-missing": ProblemKind(409, "Quorum missing"),
    "not-present": ProblemKind(403, "Not present in that session"),
    "batch-repeated": ProblemKind(409, "Shares handed in already"),
    "too-few-batches": ProblemKind(409, "Too few members have handed in their shares"),
    "minutes-stale": ProblemKind(409, "Minutes are not the current ones"),
    "not-eligible": ProblemKind(409, "Not the envelopes that may be opened now"),
    "document-mismatch": ProblemKind(409, "Refers to another document"),
    "majority-missing": ProblemKind(409, "Majority missing"),
    "decision-incomplete": ProblemKind(422, "Decision incomplete"),
    "bid-not-acceptable": ProblemKind(422, "Bid not acceptable"),
    "award-not-by-prices": ProblemKind(422, "Award does not follow from the prices"),
    "extension-refused": ProblemKind(409, "Extension refused"),
    "ground-unknown": ProblemKind(422, "No lawful ground"),
    "returns-incomplete": ProblemKind(409, "Returns incomplete"),
}

_DOCUMENTS = {
    "identifier-character": ProblemKind(422, "Something that is no digit in an identifier"),
    "identifier-length": ProblemKind(422, "Too few or too many digits in an identifier"),
    "identifier-check": ProblemKind(422, "A mistyped identifier"),
    "document-unknown": ProblemKind(404, "No such registered document"),
    "document-registered": ProblemKind(409, "These bytes are registered already"),
    "document-kind-unknown": ProblemKind(422, "No such kind of document"),
    "document-rule-broken": ProblemKind(422, "Not what the rule asks of its kind"),
    "unit-forbidden": ProblemKind(403, "Another unit's document"),
    "identifier-unreserved": ProblemKind(409, "The identifier was not given out to this party"),
    "document-state-final": ProblemKind(409, "The document is no longer in force"),
    "document-file-missing": ProblemKind(409, "The file has not been delivered"),
    "too-many-checks": ProblemKind(429, "Too many questions at once"),
    "registration-proof-invalid": ProblemKind(422, "The file does not prove a registration"),
    "mark-impossible": ProblemKind(422, "The identifier cannot be put on this document"),
}

PROBLEMS: Mapping[str, ProblemKind] = MappingProxyType(
    {
        **_GENERAL,
        **_IDENTITY,
        **_PKI_AND_SIGNING,
        **_LOG,
        **_SEALING,
        **_CUSTODIAN,
        **_DOCUMENTS,
        **_PROCUREMENT,
    }
)
