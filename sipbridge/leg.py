"""A caller's place in the conference: takes its call's events one by one to the focus."""

import asyncio
import logging
from typing import Protocol, assert_never

from gateway.address import Address
from gateway.errors import BY_STRANGERS, Reason, Refused
from gateway.ports import Answer, Focus, Kind, LegEvent, Offer, ParticipantId
from sipbridge.call import Answered, Confirmed, Ended, Offered, Reoffered
from sipbridge.headers import NameAddr, SipUri
from sipbridge.message import Request
from sipbridge.status import Refusal, refusal

_log = logging.getLogger("trestle.sip")

FOCUS_LIMIT_S = 20.0
"""The conference decides within this time, or the caller is told that it is our fault."""

MAX_NAME = 64

_Input = Reoffered | Answered | Confirmed | Ended | None


class Line(Protocol):
    """The call, as its leg handles it."""

    def answer(self, number: int, sdp: str) -> None: ...
    def refuse(self, number: int, refused: Refusal) -> None: ...
    def hang_up(self, reason: Reason, text: str) -> None: ...


class SipLeg:
    """`ports.Leg` of one call. `run` is its whole life."""

    kind = Kind.SIP

    def __init__(self, offered: Offered, line: Line, focus: Focus) -> None:
        self.id: ParticipantId = offered.call
        self._offered = offered
        self._line = line
        self._focus = focus
        # Bounded by the call: it has one offer open at a time.
        self._inbox: asyncio.Queue[_Input] = asyncio.Queue()
        self._over = False
        self._caller = caller_of(offered.invite)
        self.name = name_of(offered.invite.from_)
        self.address = str(self._caller)

    # --- ports.Leg ---------------------------------------------------------------------------

    def notify(self, event: LegEvent) -> None:
        """A phone has no roster and no trees."""

    def hang_up(self, reason: Reason, text: str) -> None:
        self._over = True
        _log.info("%s is hung up: %s, %s", self.id, reason, text)
        self._line.hang_up(reason, text)
        self._inbox.put_nowait(None)

    # --- its life ----------------------------------------------------------------------------

    def deliver(self, event: Reoffered | Answered | Confirmed | Ended) -> None:
        self._inbox.put_nowait(event)

    async def run(self) -> None:
        """Joins, follows what the phone does, leaves."""
        joined = await self._join()
        while joined and not self._over:
            event = await self._inbox.get()
            match event:
                case Reoffered():
                    await self._renegotiate(event)
                case Answered():
                    await (self._accept if event.first else self._follow)(event.sdp)
                case Confirmed():
                    self._focus.confirm(self.id)
                case Ended(_, reason, text):
                    _log.info(
                        "%s has ended the call: %s, %s", self.id, reason, text, extra=BY_STRANGERS
                    )
                    self.leave(reason, text)
                case None:
                    pass
                case _:
                    assert_never(event)

    def leave(self, reason: Reason, text: str) -> None:
        """Out of the conference; the call is somebody else's to end."""
        if not self._over:
            self._over = True
            self._focus.leave(self.id, reason, text)

    def give_up(self, reason: Reason, text: str) -> None:
        """Ends both, the call and the place in the conference."""
        if not self._over:
            self._line.hang_up(reason, text)
            self.leave(reason, text)

    async def _join(self) -> bool:
        offered = self._offered
        to = called_by(offered.invite)
        _log.info("%s calls %s as %r from %s by %s", self.id, to, self.name, self.address,
                  offered.flow, extra=BY_STRANGERS)  # fmt: skip
        try:
            room = self._focus.route(to, self._caller)
            async with asyncio.timeout(FOCUS_LIMIT_S):
                if offered.sdp is None:
                    sdp = (await self._focus.invite(room, self)).sdp
                else:
                    sdp = (await self._focus.join(room, self, Offer(offered.sdp))).sdp
        except Refused as error:
            _log.info(
                "%s is refused: %s, %s", self.id, error.reason, error.text, extra=BY_STRANGERS
            )
            self._line.refuse(offered.number, _refusal(error, to))
            return False
        except TimeoutError:
            text = "the conference did not decide in time"
            _log.error("%s: %s", self.id, text)
            self.give_up(Reason.FAILURE, text)
            return False
        # Nothing happens where the caller gave up meanwhile: `Ended` is in the inbox then.
        self._line.answer(offered.number, sdp)
        return True

    async def _renegotiate(self, event: Reoffered) -> None:
        try:
            async with asyncio.timeout(FOCUS_LIMIT_S):
                answer = await self._focus.renegotiate(self.id, Offer(event.sdp))
        except Refused as error:
            _log.info("%s: new offer refused: %s", self.id, error.text, extra=BY_STRANGERS)
            self._line.refuse(event.number, refusal(error.reason, error.text))
        except TimeoutError:
            _log.error("%s: the conference did not answer a new offer in time", self.id)
            self._line.refuse(event.number, refusal(Reason.FAILURE, "no answer in time"))
        else:
            self._line.answer(event.number, answer.sdp)

    async def _accept(self, sdp: str) -> None:
        """The phone's answer to our offer; without a usable one there is no call (s. 13.2.1)."""
        try:
            async with asyncio.timeout(FOCUS_LIMIT_S):
                await self._focus.accept(self.id, Answer(sdp))
        except Refused as error:
            _log.info("%s: its answer is refused: %s", self.id, error.text, extra=BY_STRANGERS)
            self.give_up(error.reason, error.text)
        except TimeoutError:
            self.give_up(Reason.FAILURE, "the conference did not decide in time")

    async def _follow(self, sdp: str) -> None:
        """A later answer says where the phone wants its media now, just as an offer would."""
        try:
            async with asyncio.timeout(FOCUS_LIMIT_S):
                await self._focus.renegotiate(self.id, Offer(sdp))
        except (Refused, TimeoutError) as error:
            _log.info("%s: its new answer is not followed: %s", self.id, error, extra=BY_STRANGERS)


def called_by(request: Request) -> Address:
    """Whom the Request-URI means."""
    uri = SipUri.parse(request.uri)
    return Address("sip", uri.user, uri.host)


def caller_of(request: Request) -> Address:
    """Whom From claims to be; nobody has proved it."""
    try:
        uri = SipUri.parse(request.from_.uri)
    except ValueError:
        return Address("sip", "anonymous", "anonymous.invalid")
    return Address("sip", uri.user, uri.host or "anonymous.invalid")


def name_of(from_: NameAddr) -> str:
    """What the roster shows: display name, else number or user, else "anonymous"."""
    try:
        user = SipUri.parse(from_.uri).user
    except ValueError:
        user = ""
    names = (_clean(from_.name), _clean(user))
    return next((name for name in names if name), "anonymous")


def _clean(text: str) -> str:
    # Surrogates are bytes that were no UTF-8; they are not printable either.
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:MAX_NAME].strip()


def _refusal(error: Refused, to: Address) -> Refusal:
    if error.reason is Reason.NOT_FOUND and not to.user:
        return Refusal(484, "Address Incomplete", refusal(error.reason, error.text).headers)
    return refusal(error.reason, error.text)
