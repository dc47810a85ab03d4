"""PURE: which STUN and TURN servers a participant's browser is given, and for how long.

Credentials that end by themselves, as in draft-uberti-behave-turn-rest-00, section 2.2: the user
name says when, and the password proves that it comes from somebody who knows the secret that the
TURN server shares with us. The two need never talk to each other.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.ports import ParticipantId

RENEWED_AFTER = 0.75
"""Of the lifetime: who gets new credentials then never stands there with old ones."""


@dataclass(frozen=True, slots=True)
class IceServers:
    """What the admin names, and how to log in there: by `secret`, or always with one user name."""

    stun: tuple[str, ...] = ()
    """URIs, RFC 7064."""
    turn: tuple[str, ...] = ()
    """URIs, RFC 7065."""
    secret: str | None = field(default=None, repr=False)
    lifetime: float = 86_400.0
    """Seconds that a password made with `secret` can be used."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def renew_after(self) -> float | None:
        """Seconds after which a participant needs new ones; None: what it has stays good."""
        return self.lifetime * RENEWED_AFTER if self.turn and self.secret else None

    def for_participant(self, participant: ParticipantId, now: float) -> list[Mapping[str, object]]:
        """RTCIceServer dictionaries (W3C WebRTC 1.0, section 4.2.4); `now` in Unix time."""
        servers: list[Mapping[str, object]] = []
        if self.stun:
            servers.append({"urls": list(self.stun)})
        if self.turn:
            username, password = self._credentials(participant, now)
            servers.append({"urls": list(self.turn), "username": username, "credential": password})
        return servers

    def _credentials(self, participant: ParticipantId, now: float) -> tuple[str, str]:
        if self.secret is None:
            return self.username or "", self.password or ""
        username = f"{int(now + self.lifetime)}:{participant}"
        mac = hmac.digest(self.secret.encode(), username.encode(), hashlib.sha1)
        return username, base64.b64encode(mac).decode()
