"""The secret that lets a browser take its own place again; docs/protocol.md, `token`."""

import secrets
from typing import Generic, TypeVar

Holder = TypeVar("Holder")


class Tokens(Generic[Holder]):
    """Each lives as long as its holder, a session, is in a room, and can be redeemed once."""

    def __init__(self) -> None:
        self._holder_of: dict[str, Holder] = {}
        self._token_of: dict[Holder, str] = {}

    def issue(self, holder: Holder) -> str:
        token = secrets.token_urlsafe(24)
        self._holder_of[token] = holder
        self._token_of[holder] = token
        return token

    def redeem(self, token: str) -> Holder | None:
        """Whoever holds this token, which is void from now on."""
        holder = self._holder_of.get(token)
        if holder is not None:
            self.withdraw(holder)
        return holder

    def withdraw(self, holder: Holder) -> None:
        token = self._token_of.pop(holder, None)
        if token is not None:
            del self._holder_of[token]
