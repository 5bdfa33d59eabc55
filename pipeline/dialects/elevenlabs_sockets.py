"""ElevenLabs' WebSockets: ``stream-input``, one conversation, which ends with its socket; and
``multi-stream-input``, whose contexts are conversations of their own."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from pipeline.close_code import CloseCode
from pipeline.dialects.dialect import Close, Dialect, Drop, Finish, Open, Say, Tell
from pipeline.dialects.elevenlabs import (
    DEFAULT_FORMAT,
    ElevenVoiceSettings,
    SaidCharacters,
    given,
    sound_form,
)
from pipeline.dialects.native import Seed, Text
from pipeline.dialects.reading import (
    ContextName,
    FailedContexts,
    checked,
    json_object,
    named_context,
)
from pipeline.dialects.values import LanguageTag
from stages.errors import GoneAway, ProtocolError, ServerError
from stages.items import ClientMessage, PcmFrame, SegmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.dialects.dialect import Action, Handshake, Message
    from pipeline.voice_names import VoiceNames
    from stages.items import Answer, Outgoing


class _SocketQuery(BaseModel):
    """The keys of a socket's URL that we have."""

    output_format: str = DEFAULT_FORMAT
    language_code: LanguageTag | None = None
    seed: Seed | None = None
    auto_mode: bool = False
    """Each message is a unit of text, which is spoken at once."""


class _Input(BaseModel):
    """A message with text for a conversation."""

    model_config = ConfigDict(frozen=True)

    text: Text | None = None
    flush: bool | None = None
    voice_settings: ElevenVoiceSettings | None = None

    @property
    def speed(self) -> dict[str, Any]:
        """The speed as a config, if it is given."""
        return given(speed=None if self.voice_settings is None else self.voice_settings.speed)


class _MultiInput(_Input):
    """A message about a context, or about the socket."""

    context_id: ContextName | None = Field(
        None, validation_alias=AliasChoices("context_id", "contextId")
    )
    close_context: bool | None = None
    close_socket: bool | None = None


class _ElevenSocket(Dialect):
    """What both sockets have in common."""

    flush_ends = False
    keeps_alive = True

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        """Raises `ProtocolError` for a query that asks for what there is not."""
        _, _, _, voice, _ = handshake.path.split("/")  # /v1/text-to-speech/VOICE/...
        query = checked(_SocketQuery, dict(handshake.query))
        self._form = sound_form(query.output_format)
        self._rate: int = self._form.config["sample_rate"]
        self._is_auto = query.auto_mode
        self._config = {
            "voice": voice_names.find(unquote(voice)),
            "events": True,
            "words": True,
            **given(language=query.language_code, seed=query.seed),
        }

    def _open(self, context: str, manner: Mapping[str, Any]) -> Open:
        # In auto mode each message ends with a flush, of which the next one would hear the silence.
        config = {**self._config, **manner}
        return Open(config, context, self._form, pads_flushes=not self._is_auto)

    def _say(self, said: _Input, context: str, *, is_first: bool) -> list[Action]:
        """The text of a message. The white space that one begins with, by their rules, is not
        said."""
        text = said.text or ""
        if is_first and not text.strip():
            text = ""
        ends_here = (self._is_auto and bool(text.strip())) or bool(said.flush)
        if ends_here and not text[-1:].isspace():
            # Clients send sentence behind sentence with nothing between them, and take the last
            # word that they are told for half of one until there is a space.
            text += " "
        return [Say(ClientMessage(token=text, flush=ends_here), context)]

    def _audio(self, data: bytes) -> dict[str, Any]:
        audio = base64.b64encode(data).decode()
        return {"audio": audio, "alignment": None, "normalizedAlignment": None}


class _Alignments:
    """The times of one conversation's characters, message by message, in milliseconds."""

    def __init__(self, sample_rate: int) -> None:
        self._characters = SaidCharacters(sample_rate)
        self._told_to = 0

    def told_by(self, item: Outgoing | Answer) -> dict[str, Any] | None:
        """The fields of a message for an event; None: it tells of no character. The times in each
        message count from where the one before it ended, since clients add them up."""
        said = self._characters.told_by(item)
        if not said:
            return None
        begins = [round(time.start_s * 1000) for time in said]
        ends = [round(time.end_s * 1000) for time in said]
        times = {
            "chars": [time.character for time in said],
            "charStartTimesMs": [begin - self._told_to for begin in begins],
            "charDurationsMs": [end - begin for begin, end in zip(begins, ends, strict=True)],
        }
        self._told_to = ends[-1]
        return {"audio": "", "alignment": times, "normalizedAlignment": times}


class StreamInput(_ElevenSocket):
    """One text, in pieces: an empty one is its end, and our close the end of its sound."""

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        super().__init__(handshake, voice_names)
        self._alignments = _Alignments(self._rate)
        self._is_first = True
        self._has_ended = False
        self._refused: GoneAway | None = None
        """What came too late, and is told of behind what is being spoken."""

    def opening(self) -> Open:
        return self._open("", {})

    def hear(self, message: Message) -> Iterable[Action]:
        said = checked(_Input, json_object(message))
        if self._has_ended:
            return []
        if said.text == "":
            self._has_ended = True
            return [Finish()]
        actions: list[Action] = [Say(ClientMessage(config=said.speed))] if said.speed else []
        actions += self._say(said, "", is_first=self._is_first)
        self._is_first = False
        return actions

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message | Action]:
        del context
        match item:
            case PcmFrame(data=data):
                return [json.dumps({**self._audio(data), "isFinal": None})]
            case GoneAway():
                self._refused = item
                return []
            case SegmentFailed(error=error) | (ServerError() as error):
                # Their SDK raises the last message before a close, and no other.
                return [json.dumps(_error(error)), Close(CloseCode.INTERNAL_ERROR)]
        times = self._alignments.told_by(item)
        return [] if times is None else [json.dumps({**times, "isFinal": None})]

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        del context  # there is one, which was opened with the socket
        return [Tell(json.dumps(_error(error)))]

    def ended(self, context: str, code: CloseCode) -> Iterable[Action]:
        del context
        if self._refused is not None:
            return [Tell(json.dumps(_error(self._refused))), Close(code)]
        return [Tell(json.dumps({**self._audio(b""), "isFinal": True})), Close(code)]


@dataclass(slots=True)
class _ElevenContext:
    """A context that is open."""

    alignments: _Alignments
    is_closing: bool = False


class MultiStreamInput(_ElevenSocket):
    """Texts in contexts, each of which the client closes, and which then ends with ``isFinal``. A
    context that is closed once more is dropped."""

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        super().__init__(handshake, voice_names)
        self._contexts: dict[str, _ElevenContext] = {}
        self._failed = FailedContexts()
        self._is_ending = False

    def hear(self, message: Message) -> Iterable[Action]:
        fields = json_object(message)
        name = named_context(fields, "context_id", "contextId") or ""
        try:
            said = checked(_MultiInput, fields)
        except ProtocolError as error:
            return [Tell(self._error(name, error))]
        if self._is_ending:
            return []
        if said.close_socket:
            return self._end()
        if said.close_context:
            return self._close(name)
        if name not in self._contexts:
            return self._begin(name, said)
        if not self._contexts[name].is_closing:
            return self._say(said, name, is_first=False)
        if not said.text:
            return []
        msg = "context_id: this context is closed: wait for its isFinal, or open another"
        return [Tell(self._error(name, ProtocolError(msg)))]

    def _begin(self, name: str, said: _MultiInput) -> Iterable[Action]:
        if not said.text:
            return []  # a keepalive
        if name in self._failed:
            msg = "context_id: this context has failed: close it, or open another"
            return [Tell(self._error(name, ProtocolError(msg)))] if said.text.strip() else []
        self._contexts[name] = _ElevenContext(_Alignments(self._rate))
        return [self._open(name, said.speed), *self._say(said, name, is_first=True)]

    def _close(self, name: str) -> Iterable[Action]:
        self._failed.discard(name)
        if name not in self._contexts:
            return []  # it has ended by itself
        if self._contexts[name].is_closing:
            del self._contexts[name]
            return [Drop(name), Tell(self._final(name))]
        self._contexts[name].is_closing = True
        return [Finish(name)]

    def _end(self) -> Iterable[Action]:
        self._is_ending = True
        return [Finish(name) for name in self._contexts] or [Close()]

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message | Action]:
        own = self._contexts.get(context)
        if own is None:
            return []  # it was dropped just now
        match item:
            case PcmFrame(data=data):
                return [json.dumps({**self._audio(data), "contextId": context or None})]
            case SegmentFailed(error=error) | (ServerError() as error):
                return [self._error(context, error)]  # the others of its segments are spoken
        times = own.alignments.told_by(item)
        return [] if times is None else [json.dumps({**times, "contextId": context or None})]

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        if context is None:
            return [Tell(self._error("", error))]
        del self._contexts[context]
        self._failed.add(context)
        return [Tell(self._error(context, error)), Tell(self._final(context))]

    def ended(self, context: str, code: CloseCode) -> Iterable[Action]:
        del code
        if self._contexts.pop(context, None) is None:
            return []
        is_last = self._is_ending and not self._contexts
        return [Tell(self._final(context)), *([Close()] if is_last else [])]

    def _error(self, context: str, error: ServerError) -> str:
        return json.dumps({**_error(error), "contextId": context or None})

    def _final(self, context: str) -> str:
        return json.dumps({"isFinal": True, "contextId": context or None})


def _error(error: ServerError) -> dict[str, Any]:
    return {"error": str(error), "message": str(error), "code": error.code}
