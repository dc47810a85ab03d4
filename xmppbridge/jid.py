"""PURE: addresses of XMPP (RFC 7622) as a value, with XEP-0106 escaping of the user part.

Servers have prepared every JID that reaches a component, so nothing is normalised again here:
two JIDs are equal when they are written alike.
"""

import re
from dataclasses import dataclass

from gateway.errors import Reason, Refused

MAX_LENGTH = 3071
"""RFC 7622, section 3.1: three parts of 1023 octets and two separators."""

_ESCAPED = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")


@dataclass(frozen=True, slots=True)
class Jid:
    """`user@host/resource`; `user` and `resource` are empty where there is none."""

    user: str
    host: str
    resource: str = ""

    @classmethod
    def parse(cls, text: str) -> "Jid":
        """Raises `Refused` (bad-request)."""
        bare, _, resource = text.partition("/")
        user, at, host = bare.rpartition("@")
        if not host or len(text) > MAX_LENGTH or (at and not user):
            raise Refused(Reason.BAD_REQUEST, f"{text[:100]!r} is no JID")
        return cls(user, host.lower(), resource)

    @property
    def bare(self) -> "Jid":
        return Jid(self.user, self.host)

    @property
    def unescaped_user(self) -> str:
        """The user part as people wrote it; XEP-0106, section 4."""
        return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), self.user)

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        resource = f"/{self.resource}" if self.resource else ""
        return f"{user}{self.host}{resource}"
