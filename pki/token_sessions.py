"""Sessions with a PKCS#11 token: one login for each process, a session for one thread at a time, bounded waits.

A session that was lost (token reset, daemon restarted, fork) is opened anew once; then it is TokenUnavailable. A
call inside a module can't be interrupted: who waits for a session or for the login gives up after a while.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from pkcs11 import Attribute, ObjectClass, TokenFlag

from kernel.errors import DomainError
from pki import token_pins
from pki.errors import KeyUnavailable, TokenMechanismMissing, TokenPinRefused, TokenUnavailable
from pki.token_module import start_module, stop_module

Answer = TypeVar("Answer")
_PIN_ERRORS = (
    pkcs11.PinExpired,
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinLocked,
    pkcs11.UserPinNotInitialized,
)
_MECHANISM_ERRORS = (
    pkcs11.AttributeTypeInvalid,
    pkcs11.AttributeValueInvalid,
    pkcs11.DataLenRange,
    pkcs11.DomainParamsInvalid,
    pkcs11.FunctionNotSupported,
    pkcs11.KeySizeRange,
    pkcs11.KeyTypeInconsistent,
    pkcs11.MechanismInvalid,
    pkcs11.MechanismParamInvalid,
    pkcs11.TemplateInconsistent,
)


class Lease:
    """A session while one thread has it, with the handles of the keys that it has used."""

    def __init__(self, session: Any, generation: int) -> None:
        self.session = session
        self.generation = generation
        self._keys: dict[str, Any] = {}

    def find(self, name: str | None, object_class: ObjectClass) -> list[Any]:
        """Objects of that class, and label unless it is None."""
        # A search that fails at its beginning is ended again by the library, loudly; so this is asked before.
        with contextlib.suppress(pkcs11.RandomNoRNG, pkcs11.FunctionNotSupported):
            self.session.generate_random(8)
        template: dict[Attribute, Any] = {Attribute.CLASS: object_class, Attribute.TOKEN: True}
        if name is not None:
            template[Attribute.LABEL] = name
        return list(self.session.get_objects(template))

    def private_key(self, name: str) -> Any:
        """Raises KeyUnavailable unless there is exactly one, and one that cannot be taken out."""
        if name not in self._keys:
            found = self.find(name, ObjectClass.PRIVATE_KEY)
            if len(found) != 1:
                raise KeyUnavailable("not exactly one key of that name in the token", name=name)
            if found[0][Attribute.EXTRACTABLE] or not found[0][Attribute.SENSITIVE]:
                raise KeyUnavailable("the key could be taken out of the token", name=name)
            self._keys[name] = found[0]
        return self._keys[name]

    def close(self) -> None:
        """Whatever became of it."""
        with contextlib.suppress(pkcs11.PKCS11Error):
            self.session.close()


class Connection:
    """One login of this process on one token, and the sessions under it: at most ``max_sessions`` at once.

    ``generation`` counts the logins: whoever finds a session lost asks for a new login, unless another thread
    was faster.
    """

    def __init__(
        self, module: Path, token: str, pin: str, max_sessions: int, patience_seconds: float
    ) -> None:
        self._module, self._token, self._pin = _module(module), token, pin
        self._max_sessions, self._patience_seconds = max_sessions, patience_seconds
        self.forget()
        _connections.add(self)

    def forget(self) -> None:
        """Nothing is open; for the beginning, and for a forked child, whose parent goes on with all of it."""
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(self._max_sessions)
        self._idle: list[Lease] = []
        self._found: Any = None
        self._login: Any = None
        self._generation = self._active = 0

    def perform(self, act: Callable[[Lease], Answer], *, writing: bool = False) -> Answer:
        """What ``act`` answers; after a lost session it is asked once more on a new one.

        Raises TokenUnavailable, TokenPinRefused or TokenMechanismMissing, and what ``act`` raises itself.
        """
        if not self._free.acquire(timeout=self._patience_seconds):
            raise TokenUnavailable("all sessions of the token are busy", token=self._token)
        try:
            try:
                return self._attempt(act, writing)
            except _Lost as lost:
                self._reconnect(lost.generation)
                return self._attempt(act, writing)
        except _Lost as lost:
            raise TokenUnavailable("the token does not answer", token=self._token) from lost.__cause__
        finally:
            self._free.release()

    def close(self) -> None:
        """Log out and close, unless a thread is at work; the next ``perform`` opens everything again."""
        with self._locked():
            if self._active == 0:
                self._disconnect()
                self._module.leave(self)

    def _attempt(self, act: Callable[[Lease], Answer], writing: bool) -> Answer:
        lease = self._lease(writing)
        keep = False
        try:
            answer = act(lease)
            keep = not writing
            return answer
        except pkcs11.PKCS11Error as error:
            raise _refusal(error, self._token) or _Lost(lease.generation) from error
        finally:
            self._give_back(lease, keep)

    def _lease(self, writing: bool) -> Lease:
        with self._locked():
            if self._login is None:
                self._connect()
            if self._idle and not writing:
                lease = self._idle.pop()
            else:
                try:
                    lease = Lease(self._found.open(rw=writing), self._generation)
                except pkcs11.PKCS11Error as error:
                    raise _refusal(error, self._token) or _Lost(self._generation) from error
            self._active += 1
            return lease

    def _give_back(self, lease: Lease, keep: bool) -> None:
        with self._locked():
            self._active -= 1
            if keep and lease.generation == self._generation and self._login is not None:
                self._idle.append(lease)
            else:
                lease.close()

    def _reconnect(self, generation: int) -> None:
        with self._locked():
            if generation != self._generation:
                return
            # No thread may be inside a module that is stopped, nor lose a login that may still be good.
            alone = self._active == 0
            self._disconnect(log_out=alone)
            if alone:
                self._module.restart(self)
            self._connect()

    def _connect(self) -> None:
        try:
            self._module.enter(self)
            self._found = self._module.token(self._token)
            self._login = self._log_in()
        except pkcs11.PKCS11Error as error:
            refusal = _refusal(error, self._token)
            raise refusal or TokenUnavailable("the token does not answer", token=self._token) from error
        self._generation += 1

    def _log_in(self) -> Any:
        """The session that holds the login: others of this process are logged in while it is (v2.40 §6.7.4)."""
        place = f"{self._module.path}:{self._token}:{self._found.serial.hex()}"
        token_pins.refuse_if_tried(place, self._pin)
        if self._found.flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
            raise TokenPinRefused(
                "the token has one attempt left or none; unlock it first", token=self._token
            )
        try:
            return self._found.open(user_pin=self._pin)
        except pkcs11.UserAlreadyLoggedIn:
            return self._found.open()
        except _PIN_ERRORS:
            token_pins.remember_refused(place, self._pin)
            raise

    def _disconnect(self, *, log_out: bool = True) -> None:
        for lease in self._idle:
            lease.close()
        self._idle.clear()
        # Closing it logs all sessions of this process out (v2.40 §6.7.4): not while others work with that token.
        if self._login is not None and log_out and not self._is_shared():
            Lease(self._login, 0).close()
        self._login = self._found = None

    def _is_shared(self) -> bool:
        return any(
            each is not self and each._module is self._module and each._token == self._token and each._login
            for each in list(_connections)
        )

    def _locked(self) -> Any:
        return _Patiently(self._lock, self._patience_seconds)


class _Lost(Exception):
    """A session or the token is gone; a login after ``generation`` may bring it back."""

    def __init__(self, generation: int) -> None:
        super().__init__("the session was lost")
        self.generation = generation


class _Patiently:
    """Holds a lock, for which it waits no longer than that: whoever has it may hang in a module."""

    def __init__(self, lock: threading.Lock, seconds: float) -> None:
        self._lock, self._seconds = lock, seconds

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._seconds):
            raise TokenUnavailable("the token keeps another thread waiting")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _Module:
    """A loaded module; it runs while a connection needs it. Every process starts it for itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._library = pkcs11.lib(str(path))
            # Started by the library without locks; start_module does it again with them.
            self._library.finalize()
        except (pkcs11.PKCS11Error, OSError) as error:
            raise TokenUnavailable("the PKCS#11 module cannot be loaded", module=path.name) from error
        self.forget()

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._users: set[int] = set()

    def enter(self, user: Connection) -> None:
        with self._lock:
            if not self._users:
                start_module(self.path)
            self._users.add(id(user))

    def leave(self, user: Connection) -> None:
        with self._lock:
            if id(user) in self._users:
                self._users.remove(id(user))
                if not self._users:
                    stop_module(self.path)

    def restart(self, user: Connection) -> None:
        """For whoever is alone: many modules see a token that was plugged in again only after a new start."""
        with self._lock:
            if self._users == {id(user)}:
                stop_module(self.path)
                self._users.clear()

    def token(self, label: str) -> Any:
        """Raises TokenUnavailable unless exactly one token has the label."""
        try:
            return self._library.get_token(token_label=label)
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned) as error:
            raise TokenUnavailable("not exactly one token of that label is there", token=label) from error


_modules: dict[Path, _Module] = {}
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_registry = threading.Lock()


def _module(path: Path) -> _Module:
    with _registry:
        if path not in _modules:
            _modules[path] = _Module(path)
        return _modules[path]


def _after_fork() -> None:
    global _registry
    _registry = threading.Lock()
    token_pins.forget_lock()
    for module in _modules.values():
        module.forget()
    for connection in _connections:
        connection.forget()


os.register_at_fork(after_in_child=_after_fork)


def _refusal(error: pkcs11.PKCS11Error, token: str) -> DomainError | None:
    """The refusal that an error of the token stands for; None if a new session may help."""
    if isinstance(error, _PIN_ERRORS):
        return TokenPinRefused("the token refuses the PIN, which is not tried again", token=token)
    if isinstance(error, _MECHANISM_ERRORS):
        return TokenMechanismMissing("the token cannot do this", token=token, answer=type(error).__name__)
    return None
