"""A witness behind HTTP, as a log sees it (C2SP tlog-witness); every call is bounded in time and size."""

from __future__ import annotations

import re
import time
from typing import NoReturn

import httpx

from kernel.errors import MalformedInput, Unavailable
from kernel.tls import tls_authorities
from transparency.errors import CheckpointInconsistent, CheckpointStale, CheckpointUnsigned, LogUnknown

SIZE_TYPE = "text/x.tlog.size"
_MAX_ANSWER_BYTES = 16 << 10
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n", re.ASCII)


class WitnessClient:
    """``vkey`` is the pinned cosigner key of the witness at ``url``; its answers are checked against it."""

    def __init__(self, url: str, vkey: str, *, timeout_seconds: float = 2.0) -> None:
        self._url = url.rstrip("/") + "/add-checkpoint"
        self._vkey = vkey
        self._timeout = timeout_seconds
        self._http = httpx.Client(timeout=timeout_seconds, trust_env=False, verify=tls_authorities())

    @property
    def vkey(self) -> str:
        return self._vkey

    def add_checkpoint(self, request_text: str) -> str:
        """Post the request and return the signature lines; raises as CheckpointWitness promises."""
        deadline = time.monotonic() + self._timeout
        try:
            with self._http.stream("POST", self._url, content=request_text.encode()) as response:
                answer = bytearray()
                for part in response.iter_raw():
                    answer += part
                    if len(answer) > _MAX_ANSWER_BYTES or time.monotonic() > deadline:
                        raise Unavailable("the witness answers too much or too slowly")
        except httpx.HTTPError as error:
            raise Unavailable(f"the witness does not answer: {type(error).__name__}") from error
        text = answer.decode("utf-8", "replace")
        if response.status_code != httpx.codes.OK:
            _refuse(response.status_code, response.headers.get("content-type", ""), text)
        return text

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _refuse(status: int, content_type: str, text: str) -> NoReturn:
    size = _SIZE.fullmatch(text)
    if status == httpx.codes.CONFLICT and content_type.startswith(SIZE_TYPE) and size is not None:
        raise CheckpointStale(int(size[1]))
    if status in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY):
        raise CheckpointInconsistent("the witness has seen another history of this log")
    if status == httpx.codes.NOT_FOUND:
        raise LogUnknown("the witness does not serve this log")
    if status == httpx.codes.FORBIDDEN:
        raise CheckpointUnsigned("the witness does not know the key of this log")
    if status == httpx.codes.BAD_REQUEST:
        raise MalformedInput("the witness could not read the request")
    raise Unavailable("the witness cannot answer now", status=status)
