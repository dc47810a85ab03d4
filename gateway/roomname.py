"""What a room can be called: the same rule for links, telephone plans and XMPP addresses."""

import re

from gateway.ports import RoomName

RESERVED = ("api", "assets", "favicon.ico", "health", "metrics", "monitor", "robots.txt", "ws")
"""What the web server has at the places where rooms have their links."""

RULE = f"1 to 64 of a-z 0-9 - _ . and no dot in front; not {', '.join(RESERVED)}"

_SHAPE = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,63}")


def room_name(text: str) -> RoomName | None:
    """The room that `text` names, in lower case; None if it cannot be a room's name."""
    # Only ASCII is lowered: "K" (the Kelvin sign) lowers to the letter k.
    name = text.lower() if text.isascii() else ""
    return RoomName(name) if _SHAPE.fullmatch(name) and name not in RESERVED else None
