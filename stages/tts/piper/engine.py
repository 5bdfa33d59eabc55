"""Piper's voices as a synthesizer, streamed below the sentence.

A request's first step turns its text into phonemes and these into durations, so that all its words'
times are known before its sound; each step behind it makes a chunk of the sound. The same text,
voice and seed give bit-identical sound, whoever else is speaking.

The network makes 16 000, 22 050 or 24 000 samples a second, as the voice was trained. What is
handed out has the pipeline's rate, to which every voice's sound is brought anyway before it is sent
(`stages/rvc/stage.py`), so the rate is one for all voices at no cost.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from stages.audio.format import PIPELINE_RATE
from stages.audio.gain import amplified
from stages.audio.resample import Resampler, resampled_length
from stages.engine import Engine, SaidWord
from stages.errors import SynthesisError
from stages.file_sizes import size_of
from stages.file_stamps import file_stamp
from stages.neural.kept_voices import KeptVoices, VoiceSource
from stages.text.letters import in_scripts
from stages.tts.espeak.scripts import own_scripts
from stages.tts.piper.durations import frame_counts
from stages.tts.piper.phonemes import Phonemizer
from stages.tts.piper.schedule import Chunk, chunks
from stages.tts.piper.stream import SoundStream, prior_of
from stages.tts.piper.texts import texts_of
from stages.tts.piper.voice import PiperVoice, read_voice
from stages.tts.piper.voices import ENGINE, PiperVoices
from stages.tts.piper.words import word_frames

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import Remark, Style
    from stages.tts.piper.texts import PiperText
    from stages.tts.piper.voice_file import PiperVoiceFile
    from stages.voices import Voice

__all__ = ["ENGINE", "PiperEngine"]

MAX_VOICE_BYTES = 1_000_000_000
"""Some five voices of 200 MB."""

MAX_TEXT_S = 60
"""Of one text's sound. At half the speed the longest one read aloud takes 40 s; a network that goes
on for longer has come off its way."""

MOST_READ = 4
"""Texts in a row: 100 to 200 ms."""

GAIN_DB = 2.3
"""To be as loud as espeak-ng at its volume of 80: joe's speech lies at -23.3 dB of full scale, that
of espeak-ng at -21.0 (eight sentences, pauses left out). The package's own gain for each
utterance's peak is none that a stream can know."""

SPEEDS = 0.5, 1.6
"""Those at which its own durations sound better than stretched sound: joe's, ten sentences, DNSMOS
p808 3.98 against 3.84 at 0.5, 3.62 against 3.55 at 1.4; at 1.6 a recogniser understands ten against
nine. At 2 some sentences would have fewer frames than phonemes."""


@dataclass(slots=True, eq=False)
class _PiperRequest:
    """A request on its way."""

    texts: deque[PiperText]
    """Those that have not been begun."""
    draws: np.random.Generator
    resampler: Resampler
    speed: float
    stream: SoundStream | None = None
    """The sound of the text under way; None: it has not been read."""
    is_heard: bool = False
    """Some of its sound has been made."""
    n_samples: int = 0
    """Of the texts that were read, at the voice's rate."""
    words: list[SaidWord] = field(default_factory=list)


class PiperEngine(Engine):
    """All Piper voices there are."""

    name = ENGINE
    sample_rate = PIPELINE_RATE
    takes_sounds = True

    def __init__(
        self,
        voices: Sequence[PiperVoiceFile],
        *,
        max_voice_bytes: int = MAX_VOICE_BYTES,
        n_threads: int = 1,
    ) -> None:
        """Opens no file yet. `max_voice_bytes` bounds what is kept loaded, `n_threads` what a step
        computes with."""
        self._voices = PiperVoices(voices)
        self._n_threads = n_threads
        self._kept = KeptVoices[PiperVoice](lambda: max_voice_bytes)
        self.phonemizer = Phonemizer()
        self._utterances: dict[Request, _PiperRequest] = {}
        self._n_read = 0  # texts, since a chunk was last made

    def voices(self) -> tuple[Voice, ...]:
        """Those that are listed: each file, and the speakers of those that have few."""
        return tuple(self._voices.listed())

    def voice(self, name: str) -> Voice | None:
        """The voice of this name, listed or not: every speaker can be asked for."""
        return self._voices.voice(name)

    def own_speed(self, speed: float) -> float:
        """Any that its durations can be scaled to without harm."""
        return min(max(speed, SPEEDS[0]), SPEEDS[1])

    def legible(self, text: str, language: str) -> str:
        """The text without letters of other scripts than its language's, and Latin."""
        return in_scripts(text, own_scripts(language))

    def load(self) -> None:
        """Make ready what makes phonemes. Voices are loaded as they are asked for."""
        self.phonemizer.load()

    def load_voice(
        self, user: Hashable, style: Style, *, ahead: bool = False
    ) -> Future[PiperVoice]:
        speaking = self._voices.speaking(style.voice)
        if speaking is None:
            failed = Future[PiperVoice]()
            failed.set_exception(SynthesisError(f"Piper has no voice {style.voice!r}"))
            return failed
        use = partial(PiperVoice.spoken_by, speaker=speaking.speaker)
        return self._kept.load(user, self._source(speaking.file), use, ahead=ahead)

    def to_read(self, style: Style) -> int:
        speaking = self._voices.speaking(style.voice)
        if speaking is None or self._kept.holds(self._source(speaking.file)):
            return 0
        return size_of([speaking.file.model])

    def _source(self, file: PiperVoiceFile) -> VoiceSource[PiperVoice]:
        read = partial(read_voice, file, self._n_threads)
        return VoiceSource(file.name, partial(file_stamp, file.model), read, (file.model,))

    def release_voice(self, user: Hashable) -> None:
        self._kept.release(user)

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """The most urgent; but while nobody who has been heard is more urgent, texts are read
        before first sounds are made.

        So those who come at once get their first sounds shortly one after the other, and nobody's
        has been played before the others let him go on. No more than `MOST_READ` are read in a row,
        so that whoever waits is not passed over for ever."""
        if self._n_read < MOST_READ:
            for request in requests:
                utterance = self._utterances.get(request)
                if utterance is None:
                    return [request]
                if utterance.is_heard:
                    break
        return requests[:1]

    def step(self, batch: Sequence[Request]) -> None:
        """Begin a text, or make the next chunk of one."""
        for request in batch:
            utterance = self._utterances.get(request) or self._take_up(request)
            if utterance.stream is not None:
                self._n_read = 0
                self._make_chunk(request, utterance, utterance.stream)
            elif utterance.texts:
                self._n_read += 1
                utterance.stream = self._read_text(request, utterance)
            if utterance.stream is None and not utterance.texts:
                self._emit(request, utterance.resampler.flush())
                request.finish()

    def leave(self, request: Request) -> None:
        """Forget the request's state."""
        self._utterances.pop(request, None)

    def close(self) -> None:
        """Load no more voices, and give back what makes phonemes."""
        self._kept.close()
        self.phonemizer.close()
        self._utterances.clear()

    def _take_up(self, request: Request) -> _PiperRequest:
        """Its texts, as phonemes; none where nothing of it can be said."""
        segment, voice = request.segment, request.voice
        phonemes = self.phonemizer.phonemes(segment, voice.config.espeak.voice, voice.config)
        seed = segment.style.seed
        utterance = self._utterances[request] = _PiperRequest(
            texts=deque(texts_of(phonemes, voice.alphabet)),
            draws=np.random.default_rng(None if seed is None else seed % 2**64),
            resampler=Resampler(voice.config.audio.sample_rate, PIPELINE_RATE),
            speed=self.own_speed(segment.style.speed),
        )
        return utterance

    def _read_text(self, request: Request, utterance: _PiperRequest) -> SoundStream:
        """Run the frontend over the next text: its words' times and its prior are known then."""
        voice: PiperVoice = request.voice
        network, rate = voice.network, voice.config.audio.sample_rate
        text = utterance.texts.popleft()
        reading = network.read_text(text.ids.ids, voice.speaker, utterance.draws)
        counts = frame_counts(reading.w, utterance.speed)
        most = MAX_TEXT_S * rate // network.hop
        if counts.sum() > most:
            counts = np.diff(np.minimum(np.cumsum(counts), most), prepend=0)
            _remark(request, "length")
        borders = list(accumulate(counts.tolist(), initial=0))
        heard = _heard(text, borders)

        def sample(frame: int) -> int:
            n_frames = min(max(frame, heard.start), heard.end) - heard.start
            n_samples = utterance.n_samples + n_frames * network.hop
            return resampled_length(n_samples, rate, PIPELINE_RATE)

        for place, start, end in word_frames(text.ids, text.places, borders):
            utterance.words.append(SaidWord(place, sample(start), sample(end)))
        utterance.n_samples += (heard.end - heard.start) * network.hop
        if not utterance.texts:
            request.tell_words(utterance.words)
            if not utterance.is_heard:
                request.tell_length(resampled_length(utterance.n_samples, rate, PIPELINE_RATE))
        prior = prior_of(reading, counts, utterance.draws)
        return SoundStream(network, prior, voice.speaker, chunks(*heard))

    def _make_chunk(self, request: Request, utterance: _PiperRequest, stream: SoundStream) -> None:
        utterance.is_heard = True
        if not stream.has_finished:
            self._emit(request, utterance.resampler.push(stream.advance()))
        if stream.has_finished:
            utterance.stream = None

    @staticmethod
    def _emit(request: Request, samples: Samples) -> None:
        # The limiter is behind the resampler, which overshoots.
        request.emit(amplified(samples, GAIN_DB))


def _heard(text: PiperText, borders: Sequence[int]) -> Chunk:
    """The frames of a text that are to be heard; `borders` has the frame at which each id begins,
    and their number. The ids of the beginning and the end are silence, which a listener would wait
    for in vain, and which would tear the words apart where a sentence had to be cut."""
    starts_silent, ends_silent = text.ids.indices[0] < 0, text.ids.indices[-1] < 0
    end = borders[-2 if ends_silent and not text.has_pause else -1]
    return Chunk(borders[1] if starts_silent else 0, end)


def _remark(request: Request, remark: Remark) -> None:
    if remark not in request.segment.remarks:
        request.segment.remarks.append(remark)
