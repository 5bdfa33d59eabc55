"""The settings of a conversation, and what is to be spoken in them. Pure."""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING, Any

from stages.audio.format import OPUS_PACKET_MS, OPUS_RATES, StreamFormat
from stages.conversion_settings import ConversionSettings
from stages.errors import ProtocolError, UnknownLanguage, UnknownVoice
from stages.intake.halves import HalfJoiner
from stages.items import AUTO, Flush, Ready, Style, Token
from stages.resume import MAX_RESUME_S, Resume

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from stages.items import ClientMessage, PacingMode, Said
    from stages.voices import Voice

CONVERSION_KEYS = frozenset(ConversionSettings.model_fields)
"""Set over an RVC voice's own settings; null takes them back."""

OWN_STYLE_KEYS = frozenset(
    {"voice", "pitch_shift", "segmentation", "seed", "language", "speed", "volume", "lexicon"}
)

STYLE_KEYS = OWN_STYLE_KEYS | CONVERSION_KEYS
"""Keys that act on the text that follows, at any time."""

FORMAT_KEYS = frozenset({"encoding", "sample_rate", "channels", "frame_ms"})
"""Keys of the sound's form, which is settled with the first token."""

RESUME_KEYS = frozenset({"resume_samples", "resume_heard_chars", "resume_torn_chars"})
"""Keys of what the listener has already; likewise."""


class Conversation:
    """The settings that a connection's messages have made so far. Pure."""

    def __init__(
        self,
        voices: Mapping[str, Voice],
        style: Style,
        languages: Container[str] = (),
        *,
        pacing: PacingMode = "smooth",
        factor: Callable[[Style], float | None] = lambda _: None,
        allows: Callable[[str], bool] | None = None,
    ) -> None:
        """`languages`: the tags that can be asked for. `factor`: a style's real-time factor, as
        measured lately. `allows`: whether this client may have a voice; None: it may have all."""
        self.style = style
        self.stream_format = StreamFormat()
        self.events = False
        self.words = False
        """The times of words are told, among the events."""
        self.pacing = pacing
        self.flush_ends = True
        """A flush is the end of an utterance. Else that is the end of the conversation alone."""
        self._resume: Resume | None = None
        self.has_begun = False
        """Something was said, or a flush asked for."""
        self._voices = voices
        self._languages = languages
        self._factor = factor
        self._allows = allows
        self._n_flushes = 0
        self._halves = HalfJoiner()

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Apply a config's keys, whose values are in range; raises `ProtocolError` naming the
        key that cannot be had, and then changes nothing."""
        voice = changes.get("voice")
        if voice is not None and voice not in self._voices:
            msg = f"voice: there is no voice {voice!r} here; GET /api/voices lists them"
            raise UnknownVoice(msg)
        if voice is not None and self._allows is not None and not self._allows(voice):
            msg = f"voice: this key may not speak with {voice!r}; GET /api/voices lists who it may"
            raise UnknownVoice(msg)
        language = changes.get("language")
        if language not in {None, AUTO} and language not in self._languages:
            msg = f"language: no voice here speaks {language!r}; GET /api/voices tells what they do"
            raise UnknownLanguage(msg)
        if self.has_begun:
            for key in sorted(changes.keys() - STYLE_KEYS):
                raise ProtocolError(f"{key}: can only be set before the first token")
        stream_format = replace(self.stream_format, **_only(changes, FORMAT_KEYS))
        _check_format(stream_format)
        events = changes.get("events", self.events)
        words = changes.get("words", self.words)
        if words and not events:
            raise ProtocolError("words: come among the events; set events to true as well")
        resume = _resume(self._resume, _only(changes, RESUME_KEYS), stream_format)
        conversion = {**self.style.conversion, **_only(changes, CONVERSION_KEYS)}
        conversion = {key: value for key, value in conversion.items() if value is not None}
        own = _only(changes, OWN_STYLE_KEYS)
        self.style = replace(self.style, conversion=conversion, **own)
        self.stream_format = stream_format
        self.events, self.words, self._resume = events, words, resume
        self.pacing = changes.get("pacing", self.pacing)

    def take(self, message: ClientMessage) -> list[Said]:
        """Apply a message, its cancel aside; returns what it asks to be spoken."""
        style = self.style
        if message.config is not None:
            self.configure(message.config)
        if message.pitch_shift is not None:
            self.style = replace(self.style, pitch_shift=message.pitch_shift)
        if self.style != style:
            self._halves.drop()
        said: list[Said] = []
        if message.token or message.flush:
            self.has_begun = True
            if self._resume is not None:
                said.append(self._resume)
                self._resume = None
        if message.token and (text := self._halves.feed(message.token)):
            said.append(Token(text, self.style))
        if message.flush:
            self._halves.drop()
            self._n_flushes += 1
            said.append(Flush(self._n_flushes))
        return said

    def cancel(self) -> None:
        """Forget what was said and cannot be spoken yet: half a character. What comes next is
        another utterance than the one that was to be resumed."""
        self._halves.drop()
        self._resume = None

    @property
    def ready(self) -> Ready:
        """The settings as they hold now."""
        return Ready(
            self._voices[self.style.voice].engine,
            self.style,
            self.stream_format,
            self.pacing,
            self._factor(self.style),
        )


def _check_format(stream_format: StreamFormat) -> None:
    """Frames of exactly this length must be whole samples: 30 ms at 22 050 Hz would be 661.5. Opus
    has rates and a length of its own."""
    rate, frame_ms = stream_format.sample_rate, stream_format.frame_ms
    if stream_format.encoding == "opus":
        if rate not in OPUS_RATES:
            msg = f"sample_rate: opus has {', '.join(map(str, OPUS_RATES))}, not {rate}"
            raise ProtocolError(msg)
        if frame_ms not in {None, OPUS_PACKET_MS}:
            raise ProtocolError(f"frame_ms: must be {OPUS_PACKET_MS} with opus, or left out")
    least_ms = 1000 // gcd(rate, 1000)
    if frame_ms is not None and frame_ms % least_ms:
        msg = f"frame_ms: must be a multiple of {least_ms} at {rate} Hz, for whole samples"
        raise ProtocolError(msg)


def _resume(
    resume: Resume | None, changes: Mapping[str, int], stream_format: StreamFormat
) -> Resume | None:
    if changes:
        given = {key.removeprefix("resume_"): value for key, value in changes.items()}
        resume = replace(resume or Resume(), **given)
    if resume is not None and resume.samples > MAX_RESUME_S * stream_format.sample_rate:
        msg = f"resume_samples: must be at most {MAX_RESUME_S} seconds of sound"
        raise ProtocolError(msg)
    return resume


def _only(changes: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if key in keys}
