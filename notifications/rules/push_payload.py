"""Whether a push message fits: FCM and APNs take 4,096 bytes, of which the ids that we add need some.

https://firebase.google.com/docs/cloud-messaging/customize-messages/set-message-type
https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping

MOST_BYTES = 4_096
#: For what adapters add: Carillon's id, the receipt's token, the collapse key, and the words of the provider's format.
RESERVED = 368
ROOM = MOST_BYTES - RESERVED
#: The most bytes that a letter takes in JSON (a control, as \\u0000), and more than names and marks take.
_MOST_OF_A_LETTER, _FRAME = 6, 40
ELLIPSIS = "…"
_JOINER = "\u200d"


class DoesNotFit(ValueError):
    """Even without its body the message is larger than a provider takes; the text tells sizes only."""


def payload_size(title: str, body: str, image: str, url: str, data: Mapping[str, str]) -> int:
    """Return the bytes that a message takes in JSON, as the providers count them."""
    fields = {"title": title, "body": body, "image": image, "url": url, "data": dict(data)}
    return len(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def fit_body(title: str, body: str, image: str, url: str, data: Mapping[str, str]) -> str:
    """Return the body, shortened with an ellipsis if the message would otherwise be too large.

    Raises:
        DoesNotFit: what cannot be shortened is too large by itself.
    """
    letters = len(title) + len(body) + len(image) + len(url) + sum(len(key) + len(text) for key, text in data.items())
    if letters * _MOST_OF_A_LETTER + _FRAME * (2 + len(data)) <= ROOM:
        return body  # as most do: there is no need to write it out
    if payload_size(title, body, image, url, data) <= ROOM:
        return body
    bare = payload_size(title, "", image, url, data)
    left = ROOM - bare - len(ELLIPSIS.encode())
    if left < 0:
        raise DoesNotFit(f"takes {bare} bytes without its body; {ROOM} are allowed")
    return _shortened(body, left)


def _shortened(text: str, most: int) -> str:
    """Return the longest beginning of a text that takes at most so many bytes in JSON, and an ellipsis.

    The text takes more than that.
    """
    used = end = 0
    for letter in text:
        used += len(json.dumps(letter, ensure_ascii=False).encode(errors="replace")) - 2
        if used > most:
            break
        end += 1
    while end > 0 and _continues(text, end):
        end -= 1
    return text[:end].rstrip() + ELLIPSIS


def _continues(text: str, at: int) -> bool:
    """Whether the character there belongs to the one before it: an accent, a skin tone, a part of a family."""
    letter, before = text[at], text[at - 1]
    is_mark = unicodedata.category(letter) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= letter <= "\U0001f3ff"
    return is_mark or _JOINER in (letter, before) or _is_second_half(text, at)


def _is_second_half(text: str, at: int) -> bool:
    """Whether it is the second of two letters that make a flag."""
    count = 0
    while at - count >= 0 and "\U0001f1e6" <= text[at - count] <= "\U0001f1ff":
        count += 1
    return count > 0 and count % 2 == 0
