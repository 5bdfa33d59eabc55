"""The items in the channels between the stages: frozen values, one class a kind.

ClientMessage ──▶ intake ── Said ──▶ segmenter ── Segmented ──▶ TTS
       ── Speech ──▶ RVC ── Speech ──▶ sender ── Outgoing ──▶ socket
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from stages.errors import ServerError
from stages.resume import Resume, Skipped
from stages.word_clock import Word, WordClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.audio.format import Samples, StreamFormat
    from stages.text.lexicon import WordTable
    from stages.text.normalise import Spoken

Segmentation: TypeAlias = Literal["eager", "sentence", "auto"]

PacingMode: TypeAlias = Literal["smooth", "asap"]
"""Whether slow speech waits until it is heard without a gap, or goes out as it is made."""

AUTO = "auto"
"""The language of a style whose text decides itself."""


@dataclass(frozen=True, slots=True)
class Style:
    """The voice and manner that text is spoken in. Text keeps the style it came with, so a change
    of style closes the open segment."""

    voice: str
    """A name from the server's list of voices."""
    pitch_shift: float = 0.0
    """Semitones, -24 to 24."""
    segmentation: Segmentation = "eager"
    """``eager`` cuts at pause marks too, ``sentence`` only at sentence ends, and ``auto`` where
    ``eager`` does, but joins what is shorter than the engine speaks well."""
    conversion: Mapping[str, float] = field(default_factory=dict)
    """The connection's own `ConversionSettings`, which override an RVC voice's."""
    seed: int | None = None
    """The seed of sampling and noise, in engines that have any; None: a random one."""
    speed: float = 1.0
    """How many times as fast as the voice speaks by itself, 0.5 to 2."""
    volume: float = 0.0
    """Decibels, -40 to 20, on what the voice makes by itself."""
    language: str | None = None
    """The language that the text is read in: a BCP 47 tag in lower case, or ``auto``, where the
    script of each segment decides; None: the voice's own."""
    lexicon: WordTable | None = None
    """The connection's own pronunciations, which come before the server's."""


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """One message from the client, its values checked. Its parts act in this order:
    cancel, config, pitch_shift, token, flush."""

    token: str = ""
    pitch_shift: float | None = None
    flush: bool = False
    cancel: bool = False
    played_ms: float | None = None
    """The sound that the client has played since it connected or since the last cancel; only with
    `cancel`."""
    config: Mapping[str, Any] | None = None
    """Only the keys that were given; None: there was no config."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text from the client; it may end anywhere, even in a word."""

    text: str
    style: Style


@dataclass(frozen=True, slots=True)
class Flush:
    """A request to speak all text before it now. It travels behind that text through every stage,
    so that each of them lets go of what it holds."""

    number: int
    """Counts the flushes of a connection, from 1."""


Said: TypeAlias = Token | Flush | Resume
"""The intake's output: what the client says, in its order."""


@dataclass(slots=True)
class Timing:
    """The times at which a segment reached each point on its way, in seconds on Trio's clock.

    The one thing here that changes: each stage fills in its own line, the sender reads it
    for the latency ledger."""

    arrived: float
    """The token that made the segment's boundary visible was taken in."""
    cut: float
    """The segmenter decided."""
    opened: float | None = None
    """The first of its engines was asked for it. The deadlines of all of them count from here: else
    a synthesizer would finish a whole sentence before its first sound was converted."""
    started: float | None = None
    """The model thread took the segment up."""
    speech: float | None = None
    """The first speech left the TTS engine."""
    converted: float | None = None
    """The first converted speech left the RVC stage."""
    sent: float | None = None
    """The first message with sound of this segment was handed to the kernel."""
    length_s: float | None = None
    """No point in time: how long its sound will be by itself, if its engine knows beforehand."""
    worked_s: float = 0.0
    """Likewise: the time of all steps that it was in, of all its engines, whoever shared them."""

    def spans_s(self) -> dict[str, float | None]:
        """The seconds in each part of the way to the first sound; None where it was not."""
        spans = {
            "wait": (self.arrived, self.cut),
            "queue": (self.cut, self.started),
            "tts": (self.started, self.speech),
            "rvc": (self.speech, self.converted),
            "send": (self.converted, self.sent),
            "first_audio": (self.arrived, self.sent),
        }
        return {
            name: None if begin is None or end is None else end - begin
            for name, (begin, end) in spans.items()
        }


Remark: TypeAlias = Literal["skipped", "repetition", "length"]
"""A remark for the listener at a segment's end: all or some of it was left out, since the engine
cannot speak it; the model repeated itself, or went on for far too long, and was broken off."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that is spoken as one."""

    index: int
    """Counts the segments of a connection, from 0."""
    source: str
    """The text exactly as it came; the sources of all segments rejoin to the input."""
    spoken: str
    """The text that the engine is given; empty where there is nothing to speak."""
    style: Style
    timing: Timing = field(compare=False, repr=False)
    pause_s: float = 0.0
    """Silence before its sound that the text asked for, in seconds."""
    language: str | None = None
    """The tag of the language that it is spoken in; None: nobody knows, or not yet."""
    remarks: list[Remark] = field(default_factory=list, compare=False)
    """Remarks for the listener, written before its sound ends."""
    written: Spoken | None = field(default=None, compare=False, repr=False)
    """Where in `source` each character of `spoken` was written; None: it is spoken as it came."""
    clock: WordClock = field(default_factory=WordClock, compare=False, repr=False)

    @property
    def speaking_style(self) -> Style:
        """Its style in the language that it is spoken in."""
        return self.style if self.language is None else replace(self.style, language=self.language)


Segmented: TypeAlias = Segment | Flush | Resume
"""The segmenter's output."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Some sound of one segment; its chunks follow each other without a gap."""

    segment: Segment
    samples: Samples
    sample_rate: int
    """Hertz."""
    is_last: bool
    """True on exactly one chunk of each segment, which may be empty."""

    @property
    def duration_s(self) -> float:
        """In seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class SegmentFailed:
    """The end of a segment whose engine gave up, in place of its last chunk; or all of one that is
    not spoken, since a limit is reached."""

    segment: Segment
    error: ServerError


Speech: TypeAlias = AudioChunk | SegmentFailed | Flush | Resume
"""The output of the TTS and the RVC stage. After ``Flush`` nothing before it is held back."""


@dataclass(frozen=True, slots=True)
class PcmFrame:
    """One binary message, encoded for the wire."""

    data: bytes
    n_samples: int
    """Samples per channel."""
    timing: Timing | None
    """The times of the segment that its first sample belongs to; None for padding behind it."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How long a segment's sound is held back so that it is heard without a gap, and why."""

    hold_s: float
    """Seconds from its start until its first sound goes out, as far as can be told."""
    real_time_factor: float | None
    """Seconds in which a second of it is expected to be made; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """The start of a segment: the next sample is its first. It goes out as soon as there is some of
    its sound, which may be held back."""

    segment: Segment
    sample_offset: int
    """Samples per channel of this connection's stream before it."""
    pacing: Pacing = Pacing(hold_s=0.0, real_time_factor=None)


@dataclass(frozen=True, slots=True)
class SegmentEnded:
    """The end of a segment: all its sound is before this."""

    segment: Segment
    sample_offset: int
    """The offset of its first sample."""
    n_samples: int

    @property
    def end(self) -> int:
        """The offset behind its last sample."""
        return self.sample_offset + self.n_samples


@dataclass(frozen=True, slots=True)
class WordTimes:
    """Some words of a segment, in order, all of whose sound is before this. Comes only where it was
    asked for, and then every word comes once."""

    segment: Segment
    words: tuple[Word, ...]
    """Counted in seconds from the beginning of the connection's stream."""
    sample_rate: int
    """Hertz, of the stream: a time is a whole number of its samples."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """The end of a flush: all sound of the text before it is before this."""

    number: int
    sample_offset: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The connection's settings as they hold from here on."""

    engine: str
    style: Style
    stream_format: StreamFormat
    pacing: PacingMode = "smooth"
    real_time_factor: float | None = None
    """Seconds of work for a second of sound in this style, of late; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class Preparing:
    """A voice of the listener has to be read first: one that it chose or that its text needs, or
    the one whose speech is converted into it."""

    voice: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """The end of that wait: the voice is there, or it cannot be read."""

    voice: str
    error: ServerError | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The end of a barge-in: no sample of the old text comes after this."""

    text_spoken: str
    text_remaining: str
    sample_offset: int


@dataclass(frozen=True, slots=True)
class GoingAway:
    """A request to leave at the end of what is being said: the server takes no newcomers."""

    reason: Literal["draining", "closing"]
    """It may be taken back, and ends nothing; or the server ends."""
    grace_s: float | None = None
    """How long what is being said may go on; None: as long as it takes."""


@dataclass(frozen=True, slots=True)
class Staying:
    """The end of that request, which was taken back."""


Outgoing: TypeAlias = (
    PcmFrame | Skipped | SegmentStarted | WordTimes | SegmentEnded | SegmentFailed | Flushed
)
"""The sender's output, in the order of the speech. A barge-in drops what was not sent yet."""

Event: TypeAlias = (
    Ready
    | Preparing
    | Prepared
    | SegmentStarted
    | WordTimes
    | SegmentEnded
    | Flushed
    | Cancelled
    | GoingAway
    | Staying
)
"""Messages for clients that have asked for events."""

Answer: TypeAlias = Ready | Preparing | Prepared | Cancelled | GoingAway | Staying | ServerError
"""The answer to a client's message, and what becomes of it later, or of the server. It is never
dropped."""
