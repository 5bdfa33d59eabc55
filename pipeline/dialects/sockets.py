"""The WebSockets that are served: which path speaks which dialect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from pipeline.dialects.cartesia_socket import Cartesia
from pipeline.dialects.deepgram.speak_v1 import DeepgramV1
from pipeline.dialects.deepgram.speak_v2 import DeepgramV2
from pipeline.dialects.elevenlabs_sockets import MultiStreamInput, StreamInput
from pipeline.dialects.native import Native
from pipeline.dialects.openai_realtime import Realtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.dialects.dialect import Dialect, Handshake
    from pipeline.voice_names import VoiceNames

MakeDialect: TypeAlias = "Callable[[Handshake, VoiceNames], Dialect]"
"""The dialect of a socket that is being opened. Raises `ProtocolError` for a handshake that asks
for what cannot be had."""

NATIVE_PATH = "/ws/stream"

_DIALECTS: tuple[tuple[str, MakeDialect], ...] = (
    (NATIVE_PATH, Native),
    ("/v1/speak", DeepgramV1),
    ("/v2/speak", DeepgramV2),
    (r"(/v1)?/realtime", Realtime),
    (r"/v1/text-to-speech/[^/]+/stream-input", StreamInput),
    (r"/v1/text-to-speech/[^/]+/multi-stream-input", MultiStreamInput),
    (r"/tts/websocket", Cartesia),
)
"""Each with the pattern of its paths."""


def dialect_at(path: str) -> MakeDialect | None:
    """The dialect that is spoken at a path; None: no WebSocket is served there."""
    return next((make for pattern, make in _DIALECTS if re.fullmatch(pattern, path)), None)
