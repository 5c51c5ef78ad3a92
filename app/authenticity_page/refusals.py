"""A refusal in the words of a visitor: what is wrong, and what he can do about it."""

from __future__ import annotations

from app.authenticity_page.answer_view import refusal_section
from app.authenticity_page.words import Voice
from kernel.errors import DomainError


def typed_wrong(voice: Voice, error: DomainError) -> str | None:
    """What is wrong with a typed identifier (HTML), never what was meant; None for another refusal."""
    if not voice.knows("refused", error.code):
        return None
    fields = dict(error.fields)
    if "digits" in fields and fields["digits"] is None:
        return voice.say("refused", "identifier-too-long")
    if "character_class" in fields:
        fields["character_class"] = voice.group("character_class")[fields["character_class"]]
    return voice.say("refused", error.code, **fields)


def refused(voice: Voice, error: DomainError) -> str:
    """The section in the place of an answer."""
    wrong = typed_wrong(voice, error)
    if wrong is not None:
        return refusal_section(voice, voice.say("refused", "title"), wrong)
    if error.fields.get("expected") == "sha-256":
        return refusal_section(voice, voice.say("refused", "digest_title"), voice.say("refused", "digest"))
    code = error.code if voice.knows("refused_title", error.code) else "other"
    told = voice.say("refused_told", code, **error.fields)
    return refusal_section(voice, voice.say("refused_title", code), told)
