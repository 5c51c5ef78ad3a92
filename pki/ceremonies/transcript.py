"""The transcript: what was done, step by step, signed by two operators (``mohr/ceremony-transcript/v1``).

Each names the plan with its approvals, the authority before and after, and the transcript before, so that the
transcripts of an authority are a chain in which nothing can be left out, changed or put in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import DomainError
from pki.authority_folder import MARK, ceremony_folders
from pki.ceremonies.operators import PLAN, TRANSCRIPT, Approval, require_approvals
from pki.ceremonies.plan import MAX_TRANSCRIPT_BYTES, TRANSCRIPT_FILE
from pki.errors import TranscriptInvalid
from pki.issuers import Description, OperatorEntry

_MAX_DEPTH = 12


@dataclass(frozen=True)
class Transcript:
    """A transcript whose signatures hold. ``digest``: of what the operators signed."""

    content: dict[str, Any]
    digest: str

    @property
    def plan(self) -> dict[str, Any]:
        plan: dict[str, Any] = self.content["plan"]
        return plan

    @property
    def operators(self) -> tuple[OperatorEntry, ...]:
        """Those whom the ceremony's file names."""
        return _operators(self.plan)

    def text(self) -> str:
        """For people to read."""
        content, plan = self.content, self.plan
        lines = [
            f"Ceremony {content['number']}: {content['id']} ({content['kind']})",
            f"transcript  {self.digest}",
            f"plan        {sha256_hex(canonical_bytes(plan))}",
            f"before      {plan['authority'] or 'nothing'}",
            f"after       {content['authority']}",
            f"previous    {plan['previous'] or 'none'}",
            "software    " + ", ".join(f"{name} {version}" for name, version in plan["software"].items()),
            "operators   " + ", ".join(each.name for each in self.operators),
            "signed by   " + ", ".join(each["operator"] for each in content["approvals"]),
            *(f"input       {name}: {digest}" for name, digest in plan["inputs"].items()),
        ]
        for step in content["steps"]:
            fields = "".join(f" {name}={value}" for name, value in step["fields"].items())
            lines.append(f"{step['at']}  {step['what']}{fields}")
        for made in content["made"]:
            lines.append(f"made        {made['file']}")
            lines += [f"            {name}: {value}" for name, value in made.items() if name != "file"]
        return "\n".join(lines) + "\n"


def signed_transcript(content: dict[str, Any], signatures: Sequence[Approval]) -> bytes:
    """The file (``mohr/signed-transcript/v1``)."""
    value = {
        "type": "mohr/signed-transcript/v1",
        "transcript": content,
        "signatures": [each.to_json() for each in signatures],
    }
    return canonical_bytes(value)


def verify_transcript(data: bytes, folder: Path | None = None) -> Transcript:
    """Two operators of the file signed the plan, and two the transcript; with ``folder`` its files are held against it.

    Raises TranscriptInvalid. Whether they were operators of this authority, the history tells.
    """
    try:
        value = parse_canonical(data, max_bytes=MAX_TRANSCRIPT_BYTES, max_depth=_MAX_DEPTH)
        if value["type"] != "mohr/signed-transcript/v1":
            raise TranscriptInvalid("not a transcript of a ceremony")
        content = value["transcript"]
        if content["type"] != "mohr/ceremony-transcript/v1":
            raise TranscriptInvalid("not a transcript of a ceremony")
        signed = canonical_bytes(content)
        named = _operators(content["plan"])
        require_approvals(named, _approvals(content), PLAN, canonical_bytes(content["plan"]))
        require_approvals(named, _approvals(value, "signatures"), TRANSCRIPT, signed)
        transcript = Transcript(content, sha256_hex(signed))
        transcript.text()
        if folder is not None:
            _check_files(content, folder)
    except TranscriptInvalid:
        raise
    except DomainError as error:
        raise TranscriptInvalid(error.detail, cause=error.code) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise TranscriptInvalid("not a transcript of a ceremony") from error
    return transcript


def verify_history(folder: Path) -> list[Transcript]:
    """Every ceremony of an authority's folder, in order, each on the state that the one before left.

    Raises TranscriptInvalid at the first that does not follow.
    """
    first = folder / MARK
    state = Description.parse(first.read_bytes()) if first.exists() else None
    transcripts: list[Transcript] = []
    for number, held in enumerate(ceremony_folders(folder), start=1):
        transcript = read_transcript(held)
        _check_follows(transcript, state, number, transcripts[-1].digest if transcripts else None, held.name)
        state = Description.parse((held / MARK).read_bytes())
        if state.digest != transcript.content["authority"]:
            raise TranscriptInvalid("the authority is not as the ceremony left it", folder=held.name)
        transcripts.append(transcript)
    return transcripts


def read_transcript(held: Path) -> Transcript:
    """The verified transcript of a ceremony's folder."""
    try:
        data = (held / TRANSCRIPT_FILE).read_bytes()
    except OSError as error:
        raise TranscriptInvalid("a ceremony without its transcript", folder=held.name) from error
    return verify_transcript(data, held)


def _check_follows(
    transcript: Transcript, state: Description | None, number: int, previous: str | None, name: str
) -> None:
    content, plan = transcript.content, transcript.plan
    if name != f"{number:04d}-{content['id']}" or content["number"] != number or plan["number"] != number:
        raise TranscriptInvalid("a ceremony is missing, or in another order", folder=name)
    if plan["previous"] != previous or plan["authority"] != (None if state is None else state.digest):
        raise TranscriptInvalid("the ceremony does not follow the one before", folder=name)
    if state is not None and state.operators and not set(transcript.operators) <= set(state.operators):
        raise TranscriptInvalid("held by people who were no operators of this authority", folder=name)


def _check_files(content: dict[str, Any], folder: Path) -> None:
    for made in content["made"]:
        path = folder / Path(made["file"]).name
        if not path.is_file() or sha256_hex(path.read_bytes()) != made["sha256"]:
            raise TranscriptInvalid("a file of the ceremony is missing or was altered", file=made["file"])


def _approvals(value: dict[str, Any], name: str = "approvals") -> list[Approval]:
    return [Approval(str(each["operator"]), str(each["signature"])) for each in value[name]]


def _operators(plan: dict[str, Any]) -> tuple[OperatorEntry, ...]:
    return tuple(OperatorEntry(each["name"], each["public_key"]) for each in plan["file"]["operators"])
