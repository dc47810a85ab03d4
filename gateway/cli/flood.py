"""Keeps the log readable while strangers do their worst.

A line that anybody can cause as often as they like is logged with
`extra=errors.BY_STRANGERS`.
"""

import logging

from gateway.allowance import Allowance

BURST = 10
PERIOD_S = 10.0


class FloodGate(logging.Filter):
    """Lets the first such lines through, then one of each kind every 10 s, with a count.

    A kind is the line's format, so what is kept here is bounded by our own source text.
    """

    def __init__(self) -> None:
        super().__init__()
        self._allowances: dict[str, Allowance] = {}
        self._held_back: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(record, "stranger", False):
            return True
        kind = str(record.msg)
        allowance = self._allowances.setdefault(
            kind, Allowance(1 / PERIOD_S, BURST, record.created)
        )
        if not allowance.take(1, record.created):
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return False
        held_back = self._held_back.pop(kind, 0)
        if held_back:
            record.msg = f"{record.msg} (and {held_back} more lines like it)"
        return True
