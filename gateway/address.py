"""One value for every address a conference can be reached by, or a caller can have.

Not a full URI: parameters, headers and passwords of a SIP URI (RFC 3261, section 19.1) are read
over, the resource of a JID (RFC 7622) is kept. Users compare as written, hosts without case.
"""

import re
from dataclasses import dataclass

from gateway.errors import Reason, Refused

_SHAPE = re.compile(
    r"(?P<scheme>sips?|xmpp|web):"
    r"(?:(?P<user>[^@;?/]*)@)?"
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[^@;?/:\s]+)"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?:/(?P<resource>[^;?]*))?"
    r"(?:[;?].*)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Address:
    """`scheme` is "sip" (also for sips), "xmpp" or "web"; `user` may be empty."""

    scheme: str
    user: str
    host: str
    resource: str = ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads `sip:room@host`, `xmpp:room@host/resource` or `web:room@host`.

        Raises `Refused` (bad-request) for anything else.
        """
        match = _SHAPE.fullmatch(text.strip())
        if match is None:
            raise Refused(Reason.BAD_REQUEST, f"{text[:100]!r} is no address we know")
        user = (match["user"] or "").partition(":")[0]
        scheme = "sip" if match["scheme"] == "sips" else match["scheme"]
        return cls(scheme, user, match["host"].lower(), match["resource"] or "")

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        resource = f"/{self.resource}" if self.resource else ""
        return f"{self.scheme}:{user}{self.host}{resource}"
