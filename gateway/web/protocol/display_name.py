"""What people may call themselves: something that can be seen, and that disturbs no other text."""

import unicodedata

MAX_NAME = 64

# They would turn the reading direction of all that follows in a list; UAX #9, section 2.
_WITHOUT_BIDI_CONTROLS = dict.fromkeys(
    [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)

_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols to Unicode, but nothing on the screen: Hangul fillers, Braille blank."""


def tidied(name: str) -> str:
    """Without what turns the reading direction, and without space around it."""
    return name.translate(_WITHOUT_BIDI_CONTROLS).strip()


def has_controls(name: str) -> bool:
    """Control characters or ends of lines."""
    return any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name)


def can_be_seen(name: str) -> bool:
    return any(_is_visible(sign) for sign in name)


def _is_visible(sign: str) -> bool:
    """Whether it shows by itself: no space, no joiner, no mark that needs a letter below it."""
    return unicodedata.category(sign) not in ("Cf", "Mn", "Zs") and sign not in _BLANK_LETTERS
