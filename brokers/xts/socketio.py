"""Socket.IO over one websocket, the client's side: frames in, events and frames to send out. Pure (facts/xts.md §6).

Two dialects: engine.io 3 (official clients) and 4. They differ in who begins the heartbeat and in who asks for the
namespace. Payloads of events are JSON texts inside JSON, sometimes plain objects. A frame that is no such thing is an
`Odd`, never an exception.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

DIALECTS: Final = (3, 4)
"""In the order in which they are tried."""
_DECODER: Final = msgspec.json.Decoder()
_PING: Final = "2"
_PONG: Final = "3"
_PING_S: Final = 25.0
_BEAT_S: Final = (1.0, 20.0)
"""Between two pings of ours, whatever the server asks: a dead link is to be noticed."""


class Opened(msgspec.Struct, frozen=True):
    """The transport is open. `beat_s`: ping so often (engine.io 3); 0 = the server pings."""

    beat_s: float


class Connected(msgspec.Struct, frozen=True):
    """The namespace is connected: this dialect is the server's."""


class Event(msgspec.Struct, frozen=True):
    name: str
    payload: object
    """Decoded where it was JSON."""


class Heartbeat(msgspec.Struct, frozen=True):
    """A ping or a pong came."""


class Ended(msgspec.Struct, frozen=True):
    """The server takes its leave, or refuses the namespace."""

    reason: str


class Odd(msgspec.Struct, frozen=True):
    kind: str
    sample: object


Heard = Opened | Connected | Event | Heartbeat | Ended | Odd


class SocketIo:
    """One connection. `hear` every frame; what it returns to send goes out at once, in order."""

    def __init__(self, dialect: int) -> None:
        self.dialect = dialect

    @property
    def beat(self) -> str:
        """What is sent each `Opened.beat_s`."""
        return _PING

    def hear(self, frame: str | bytes) -> tuple[Heard, str]:
        """What a frame says, and the frame to answer with, or empty."""
        if isinstance(frame, bytes):
            return Odd("a binary frame", frame), ""
        match frame[:1]:
            case "4":
                return self._message(frame)
            case "2":
                return Heartbeat(), _PONG + frame[1:] if len(frame) <= 16 else _PONG
            case "3":
                return Heartbeat(), ""
            case "0":
                return self._opened(frame)
            case "1":
                return Ended("the server closed the transport"), ""
            case "6":
                return Heartbeat(), ""  # noop
            case _:
                return Odd("a frame of no known kind", frame), ""

    def _opened(self, frame: str) -> tuple[Heard, str]:
        data = _decoded(frame[1:])
        if not isinstance(data, dict):
            return Odd("an open packet that cannot be read", frame), ""
        if self.dialect == 4:
            return Opened(0.0), "40"
        interval = cast("dict[str, Any]", data).get("pingInterval")
        asked_s = interval / 1000 if isinstance(interval, int) and not isinstance(interval, bool) else _PING_S
        low, high = _BEAT_S
        return Opened(min(max(asked_s / 2, low), high)), ""

    def _message(self, frame: str) -> tuple[Heard, str]:
        match frame[1:2]:
            case "2":
                return _event(frame), ""
            case "0":
                return Connected(), ""
            case "1":
                return Ended("the server closed the namespace"), ""
            case "4":
                return Ended("the server refused the namespace"), ""
            case "5" | "6":
                return Odd("a binary event", frame), ""
            case _:
                return Odd("a message of no known kind", frame), ""


def _event(frame: str) -> Heard:
    """`42["name","payload"]`; an acknowledgement number or a namespace before the list is passed over."""
    begin = frame.find("[", 2)
    data = _decoded(frame[begin:]) if 0 <= begin <= 40 else None
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        return Odd("an event that cannot be read", frame)
    items = cast("list[Any]", data)
    payload: object = items[1] if len(items) > 1 else None
    if isinstance(payload, str) and payload[:1] in ("{", "["):
        inner = _decoded(payload)
        payload = payload if inner is None else inner
    return Event(items[0], payload)


def _decoded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def event_frame(name: str, payload: str) -> str:
    """The server's side: an event whose payload is a text."""
    return f"42{msgspec.json.encode([name, payload]).decode()}"
