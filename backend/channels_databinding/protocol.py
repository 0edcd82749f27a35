"""log → **protocol** → cursor → serializers → …

Frames: their names, how they are written and read, and the closed list of error codes. Pure.
`docs/protocol.md` has the whole wire.
"""

import base64
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Literal

import orjson
from django.core.serializers.json import DjangoJSONEncoder

from .limits import limit

Unread = Literal["bad_frame", "unknown_stream", "unknown_action", "bad_params", "ref_reused", "too_large"]
Undone = Literal["forbidden", "not_found", "invalid", "conflict", "failed"]
Code = Literal[Unread, Undone]


class Close(IntEnum):
    """Why a socket is closed. Always sent after accepting: a refusal before it reaches a browser as a bare 1006. None
    below 3000: those are the protocol's own, and daphne does not send them for an application."""

    LOG_IN = 4401
    FORBIDDEN = 4403
    NO_SUCH_PLACE = 4404
    TOO_SLOW = 4408
    LOGGED_OUT = 4409
    FLOODING = 4413
    FAILED = 4500  # something cannot be sent, or nobody knows whether a write was committed
    RESET = 4503  # for who has no word for it: come back


MAX_REF: Final = 64  # characters
MAX_DEPTH: Final = 100  # of objects and lists within a frame; orjson writes 254 and reads 1,024
QUOTED: Final = 100  # characters of what somebody sent, when it is told back to them
SAFE_INTEGER: Final = (1 << 53) - 1  # ECMAScript's Number.MAX_SAFE_INTEGER; beyond it integers travel as strings


class Refused(Exception):
    """A frame that cannot be done: a code from the closed list, and one sentence for the person who sent it.

    `more` are `fields`, messages by field name (`invalid`), or `data`, the row as it is (`conflict`).
    """

    def __init__(self, code: Code, message: str, **more: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.payload = {"action": "error", "code": code, "message": message, **more}


@dataclass(frozen=True, slots=True)
class Request:
    """A frame from a browser. `params` is its identity: JSON with sorted keys, `""` when there are none."""

    stream: str
    payload: dict[str, Any]
    params: str = ""
    ref: str | None = None

    @property
    def action(self) -> str:
        action = self.payload.get("action")
        return action if isinstance(action, str) else ""

    @property
    def is_new(self) -> bool:
        """Whether it holds a word that Channels 1.x did not have. Who never says one is never told one."""
        return self.ref is not None or self.action in ("subscribe", "unsubscribe", "presence", "ping")


class BadFrame(Refused):
    """A frame that cannot be read. `ref` and `stream` are what could be made out of it."""

    ref: str | None = None
    stream: str = ""


def decode(text: str | None, free: Container[str] = ()) -> Request:
    """Read one frame from a browser. On streams that are `free` a payload needs no action. Raises BadFrame."""
    if text is None:
        raise BadFrame("bad_frame", "Send text frames of JSON; this one was binary.")
    if len(text) > (most := limit("frame_characters")):
        raise BadFrame("too_large", f"A frame may have {most:,} characters; this one has {len(text):,}.")
    try:
        frame = orjson.loads(text)
    except ValueError:
        raise BadFrame("bad_frame", "This frame is not JSON.") from None
    if not isinstance(frame, dict):
        raise BadFrame("bad_frame", "A frame is a JSON object.")
    ref = frame.get("ref")
    if ref is not None and not (isinstance(ref, str) and 0 < len(ref) <= MAX_REF and "\0" not in ref):
        raise BadFrame("bad_frame", f"A ref is a string of 1 to {MAX_REF} characters, none of them NUL.")
    try:
        if text.count("{") + text.count("[") > MAX_DEPTH and _is_deep(frame):
            raise BadFrame("bad_frame", f"A frame may be {MAX_DEPTH} objects and lists deep.")
        return _request(frame, ref, free)
    except BadFrame as bad:
        bad.ref = ref
        raise


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        lists = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for several in lists for one in several]
    return bool(level)


def _request(frame: dict[str, Any], ref: str | None, free: Container[str]) -> Request:
    stream, payload, params = frame.get("stream"), frame.get("payload"), frame.get("params")
    if not isinstance(stream, str):
        raise BadFrame("bad_frame", 'A frame has a "stream", a string.')
    if not isinstance(payload, dict) or not (stream in free or isinstance(payload.get("action"), str)):
        raise BadFrame("bad_frame", 'A frame has a "payload", an object with an "action".')
    return Request(stream=stream, payload=payload, params=name_params(params, stream), ref=ref)


def name_params(params: object, stream: str) -> str:
    """Return the name of one subscription within its stream, `""` for none. Raises BadFrame(bad_params)."""
    if params is None or params == {}:
        return ""
    if isinstance(params, dict) and all(
        isinstance(value, str | bool) or (isinstance(value, int) and abs(value) <= SAFE_INTEGER)
        for value in params.values()
    ):
        identity = orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode()
        if len(identity) <= limit("params_characters"):
            return identity
    most = f"{limit('params_characters'):,} characters at most"
    bad = BadFrame("bad_params", f"params is a flat object of strings, safe integers and booleans, {most}.")
    bad.stream = stream
    raise bad


def quote(text: object) -> str:
    """Return what somebody sent, to be told back to them: the beginning will do."""
    return repr(text if not isinstance(text, str) or len(text) <= QUOTED else f"{text[:QUOTED]}…")[: 2 * QUOTED]


def read_params(identity: str) -> dict[str, Any]:
    """Return the params of a subscription from its name."""
    params: dict[str, Any] = orjson.loads(identity) if identity else {}
    return params


def frame(
    stream: str,
    payload: object,
    *,
    params: str = "",
    ref: str | None = None,
    refs: tuple[str, ...] = (),
    cursor: str | None = None,
) -> str:
    """Write one frame for browsers. `stream` and `payload` alone make the frame of Channels 1.x, key for key."""
    beside = {"params": params and orjson.Fragment(params), "ref": ref, "refs": refs, "cursor": cursor}
    said = {name: value for name, value in beside.items() if value}
    return encode({"stream": stream, **said, "payload": payload}).decode()


_OPTIONS = orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
_default = DjangoJSONEncoder().default


def encode(value: object) -> bytes:
    """Write `value` as Django's own JSON: datetimes to the millisecond, Decimals as strings.

    NaN and Infinity become null; integers a browser would round become strings.
    """
    try:
        return orjson.dumps(value, default=_default, option=_OPTIONS)
    except TypeError:  # an integer past 53 bits, or half a surrogate pair: rare, so only then the slow way
        return orjson.dumps(_tamed(value), default=_default, option=_OPTIONS)


def plain(value: object) -> Any:
    """Return `value` as the browser will read it: what `expect` is compared with."""
    return orjson.loads(encode(value))


def _tamed(value: Any) -> Any:
    match value:
        case bool() | None | float() | orjson.Fragment():
            return value
        case int():
            return value if abs(value) <= SAFE_INTEGER else str(value)
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case dict():
            return {_tamed(key if isinstance(key, str) else str(key)): _tamed(v) for key, v in value.items()}
        case list() | tuple():
            return [_tamed(item) for item in value]
        case bytes() | memoryview():
            return base64.b64encode(value).decode()
        case _:
            return _tamed(json.loads(json.dumps(value, cls=DjangoJSONEncoder)))
