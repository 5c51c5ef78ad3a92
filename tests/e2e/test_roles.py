"""Every route by every role: the table below is compared with the OpenAPI document, so none can be forgotten.

Seats within the commission (head, member, observer) are no roles; test_bad_input_openings.py is about them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.api.application import describe
from app.demo.cast import APPROVER, AUDITOR, BUYER, SEATS, Cast
from app.demo.stage import Stage
from tests.e2e.refusals import Caller, refused, unchanged

ROLES = ("registrar", "buyer", "approver", "member", "bidder", "auditor")
METHODS = ("get", "put", "post", "delete", "patch")
UNKNOWN = "00000000-0000-7000-8000-000000000000"

PUBLIC = {
    "health",
    "showMetrics",
    "showAuthorityPage",
    "giveChallenge",
    "signIn",
    "enterCertificateRequest",
    "showCertificateRequest",
    "showTrust",
    "fetchCrl",
    "fetchCrlPart",
    "fetchAuthorityCertificate",
    "timestamp",
    "timestampBy",
    "askOcsp",
    "askOcspByAddress",
    "listTenders",
    "showTender",
    "showKeySet",
    "showNotice",
    "showClosingList",
    "proveEntry",
    "showCheckpoint",
    "proveConsistency",
    "listEntries",
    "listReleases",
    "showRelease",
    "showOcdsRecord",
    "showOcdsExtension",
    "showOcdsCodelist",
    "showPublicationPolicy",
    "showPublicDocument",
    "verifyDocument",
    "showDocumentCheck",
    "showDocumentCheckAsset",
    "showRegisteredDocument",
    "examineDocument",
    "checkDocumentByIdentifier",
    "checkDocumentByDigest",
    "downloadPublicDocument",
    "showPublicDocumentPage",
    "proveRegistration",
    "showDocumentsRule",
}
# A party sees and renews its own certificates, and says that it has them.
EVERYBODY_SIGNED_IN = {
    "showMe",
    "signOut",
    "searchCertificates",
    "showCertificate",
    "renewCertificate",
    "handOverCertificate",
    "prepareDocument",
    "showPreparedDocument",
    "downloadPreparedDocument",
    "completeDocument",
    "downloadSignedDocument",
    "discardPreparedDocument",
    "extendDocument",
}
ALLOWED: dict[str, set[str]] = {
    "registerParty": {"registrar"},
    "showParty": {"registrar", "buyer", "approver", "auditor"},
    "grantRole": {"registrar"},
    "withdrawRole": {"registrar"},
    "listCertificateRequests": {"registrar"},
    "enterApplication": {"registrar"},
    "listApplications": {"registrar"},
    "showApplication": {"registrar"},
    "decideApplication": {"registrar"},
    "issueCertificate": {"registrar"},
    "issueCertificates": {"registrar"},
    "revokeCertificate": {"registrar"},
    "suspendCertificate": {"registrar"},
    "resumeCertificate": {"registrar"},
    "revokeParty": {"registrar"},
    "proposeRevocation": {"registrar"},
    "listRevocationProposals": {"registrar"},
    "confirmRevocation": {"registrar"},
    "withdrawRevocation": {"registrar"},
    "draftTender": {"buyer"},
    "showDraft": {"buyer", "approver", "auditor", "member"},
    "submitForApproval": {"buyer"},
    "approveTender": {"approver"},
    "returnToDraft": {"approver"},
    "composeKeySet": {"buyer"},
    "countersignKeySet": {"member"},
    "draftNotice": {"buyer"},
    "publishNotice": {"buyer"},
    "closeTender": {"buyer"},
    "cancelTender": {"buyer"},
    "declareUnsuccessful": {"buyer"},
    "extendPriceOpening": {"buyer"},
    "nextSubmissionNumber": {"bidder"},
    "listOwnSubmissions": {"bidder"},
    "submitEnvelope": {"bidder"},
    "showOwnSubmission": {"bidder"},
    "showBlob": {"bidder"},
    "uploadBlob": {"bidder"},
    "withdrawSubmission": {"bidder"},
    "recordAttendance": {"member"},
    "draftSession": {"member"},
    "startOpening": {"member"},
    "openingPackage": {"member"},
    "handInBatch": {"member"},
    "openStage": {"member"},
    "showRecord": {"member", "auditor"},
    "signRecord": {"member"},
    "showBids": {"member", "auditor"},
    "listOpenedFiles": {"member", "auditor"},
    "downloadOpenedFile": {"member", "auditor"},
    "decideStage": {"member"},
    "draftAward": {"member"},
    "decideAward": {"member"},
    "showMinutes": {"member", "auditor"},
    "downloadMinutes": {"member", "auditor"},
    "prepareMinutes": {"member"},
    "signMinutes": {"member"},
    "listReturns": {"bidder", "auditor"},
    "exportAuditFolder": {"auditor"},
    "sealDocument": set(),
    "reserveIdentifiers": set(),
    "deliverDocument": set(),
    "registerDocuments": set(),
    "changeDocumentState": set(),
    "listRegistrations": set(),
}
# In good form, so that only the role can be what is wrong with a request.
_WIRE = {"document": "", "signature": ""}
BODIES: dict[str, Any] = {
    "registerParty": {"party": "IR-00000000779", "name": "x", "kind": "person", "roles": ["bidder"]},
    "grantRole": {"role": "bidder"},
    "issueCertificates": {"requests": [UNKNOWN]},
    "revokeCertificate": {"reason": "keyCompromise"},
    "revokeParty": {"reason": "keyCompromise"},
    "proposeRevocation": {"reason": "keyCompromise"},
    "draftTender": {"title": "x"},
    "returnToDraft": {"reason": "a reason"},
    "cancelTender": {"ground": "need-gone", "reason": "a reason"},
    "declareUnsuccessful": {"ground": "board-ruling", "reason": "a reason"},
    "extendPriceOpening": {"until": "2030-01-01T00:00:00Z", "reason": "a reason"},
    "countersignKeySet": {"signature": ""},
    "sealDocument": {"format": "file", "documents": [{"name": "x", "content": "eA=="}]},
    "reserveIdentifiers": {"count": 1},
    "signRecord": {"signature": ""},
    "signMinutes": {"revision": 1, "signed_at": "2030-01-01T00:00:00Z", "signature": ""},
    "submitEnvelope": {"manifest": "", "seal": "", "headers": {}},
    **dict.fromkeys(
        (
            "enterApplication",
            "decideApplication",
            "renewCertificate",
            "publishNotice",
            "withdrawSubmission",
            "recordAttendance",
            "startOpening",
            "handInBatch",
            "decideStage",
            "decideAward",
            "registerDocuments",
            "changeDocumentState",
        ),
        _WIRE,
    ),
}
NAMES = {
    "tender_id": UNKNOWN,
    "submission_id": UNKNOWN,
    "request_id": UNKNOWN,
    "proposal": UNKNOWN,
    "prepared_id": UNKNOWN,
    "fingerprint": "0" * 64,
    "digest": "0" * 64,
    "party": "IR-00000000779",
    "role": "bidder",
    "stage": "A",
    "manifest_digest": "0" * 64,
    "name": "A.content.bin",
}


def operations() -> Iterator[tuple[str, str, str, bool]]:
    """Name, method, path and whether a session is asked for, of every operation in the document."""
    for path, item in describe().openapi()["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield (
                    operation["operationId"],
                    method.upper(),
                    path,
                    {} not in (operation.get("security") or [{}]),
                )


OPERATIONS = {name: (method, path, guarded) for name, method, path, guarded in operations()}
GUARDED = sorted(name for name, (_, _, guarded) in OPERATIONS.items() if guarded)


@pytest.fixture(scope="module")
def callers(cast: Cast) -> dict[str, Caller]:
    """One party for each role, holding no other."""
    cast.registrar_api.get("/auth/me")
    return {
        "registrar": Caller(cast.base_url, cast.registrar_api.token),
        "buyer": Caller.of(cast.person(BUYER, "buyer")),
        "approver": Caller.of(cast.person(APPROVER, "approver")),
        "member": Caller.of(cast.person(SEATS[0][1], "member")),
        "bidder": Caller.of(cast.organisation("نقش آزمون", "bidder")),
        "auditor": Caller.of(cast.person(AUDITOR, "auditor")),
    }


def ask(caller: Caller, name: str) -> Any:
    """A request in good form for something that does not exist."""
    method, path, _ = OPERATIONS[name]
    address = path.format(**{key: value for key, value in NAMES.items() if f"{{{key}}}" in path})
    if name == "nextSubmissionNumber":
        address += "?lot=1"
    if name == "listRegistrations":
        address += "?unit=IRO-1"
    if name in BODIES:
        return caller.post(address, BODIES[name])
    return caller.send(method, address, b"" if method == "PUT" else None)


def test_no_route_is_forgotten() -> None:
    """The table names exactly the routes of the document, and only the public ones ask for no session."""
    assert set(OPERATIONS) == PUBLIC | EVERYBODY_SIGNED_IN | set(ALLOWED)
    assert {name for name, (_, _, guarded) in OPERATIONS.items() if not guarded} == PUBLIC
    assert all(roles <= set(ROLES) for roles in ALLOWED.values())


@pytest.mark.parametrize("name", GUARDED)
def test_nobody(stage: Stage, name: str) -> None:
    """Without a session nothing is done and nothing told, whatever the request says."""
    with unchanged(stage.folder):
        refused(ask(Caller(stage.url), name), 401, "unauthenticated")
        refused(ask(Caller(stage.url, "x" * 43), name), 401, "session-ended")


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_every_other_role(stage: Stage, callers: dict[str, Caller], name: str) -> None:
    """Each role that the step does not belong to is refused before anything is looked up or written."""
    with unchanged(stage.folder):
        for role in sorted(set(ROLES) - ALLOWED[name]):
            answer = ask(callers[role], name)
            assert answer.status_code == 403, (role, answer.status_code, answer.text)
            assert answer.json()["code"] in ("forbidden", "role-missing")
            refused(answer, 403, answer.json()["code"])


@pytest.mark.parametrize("name", sorted(set(ALLOWED) - {"registerParty"}))
def test_the_role_itself(stage: Stage, callers: dict[str, Caller], name: str) -> None:
    """Who may is not refused for the role; that there is nothing of that name is said instead."""
    with unchanged(stage.folder):
        for role in sorted(ALLOWED[name]):
            assert ask(callers[role], name).status_code not in (401, 403, 500), role


@pytest.mark.parametrize("role", ROLES)
def test_everybody_signed_in(callers: dict[str, Caller], role: str) -> None:
    """Each party may ask who it is, and learns its own role."""
    answer = callers[role].get("/auth/me")
    assert answer.status_code == 200
    assert role in answer.json()["roles"]


def test_roles_are_those_of_the_moment(cast: Cast, callers: dict[str, Caller]) -> None:
    """A role that is withdrawn is lost with the next request, and a session that ended is none."""
    session = cast.organisation("نقش گذرا", "bidder")
    caller, path = Caller.of(session), f"/tenders/{UNKNOWN}/submissions/next?lot=1"
    refused(caller.get(path), 404, "not-found")
    withdrawn = callers["registrar"].send("DELETE", f"/identity/parties/{session.party}/roles/bidder")
    assert withdrawn.status_code == 200
    refused(caller.get(path), 403, "forbidden")
    assert caller.send("DELETE", "/auth/sessions/current").status_code == 204
    refused(caller.get("/auth/me"), 401, "session-ended")
