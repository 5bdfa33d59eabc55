"""The parts that all connections share: model thread, engines, voices, limits."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from pipeline.executor import tell_nobody
from pipeline.holdings import Account
from pipeline.leaving import Leaving
from pipeline.metrics import Metrics
from pipeline.neural_voices import NeuralVoices
from pipeline.pace import ServerPace
from pipeline.places import Places
from pipeline.usage import NOBODY
from pipeline.voice_names import VoiceNames
from stages.file_sizes import megabytes
from stages.intake.conversation import Conversation
from stages.items import AUTO, Style
from stages.text.letters import outside
from stages.text.lexicon import pronunciations
from stages.text.normalise import Buffer, is_prepared, normalise, prepare
from stages.tts.espeak.languages import Languages
from stages.tts.espeak.scripts import language_for

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from pipeline.executor import Executor, Tell
    from pipeline.ledger import Ledger
    from pipeline.tenants import Tenant
    from pipeline.usage import Caller, Usage
    from stages.engine import Engine
    from stages.items import PacingMode, Remark, Segment, Segmentation
    from stages.segmenter import SegmenterOptions
    from stages.text.lexicon import WordTable
    from stages.voices import Voice


def _no_words(_: str) -> Sequence[WordTable]:
    return ()


class Service:
    """The speaking service behind the WebSocket, the HTTP API and the command line.

    It is *ready* from its start until it closes, but for when it drains or the model thread does
    not answer; it *admits* up to `max_listeners` at a time."""

    def __init__(
        self,
        *,
        executor: Executor,
        synthesizers: Sequence[Engine],
        converter: Engine,
        voice_converters: Sequence[Engine] = (),
        voices: Mapping[str, Voice],
        style: Style,
        segmentation: Segmentation | None = None,
        aliases: Mapping[str, str] | None = None,
        segmenter_options: SegmenterOptions,
        max_listeners: int,
        max_pending_bytes: int,
        idle_timeout_s: float,
        metrics: Metrics | None = None,
        languages: Languages | None = None,
        pacing: PacingMode = "smooth",
        account: Account | None = None,
        leaving: Leaving | None = None,
    ) -> None:
        self.executor = executor
        self.synthesizers = {engine.name: engine for engine in synthesizers}
        self.converter = converter
        """The built-in converter, for pitch and speed of voices that no other converts."""
        self.voice_converters = {engine.name: engine for engine in voice_converters}
        self.voices = voices
        self.style = style
        self.voice_names = VoiceNames(voices, style.voice, aliases or {})
        self._segmentation = segmentation
        self.pacing = pacing
        """Of conversations that do not choose it."""
        self.languages = languages or Languages()
        """Those of the built-in voices."""
        self._neural_voices = NeuralVoices(voices.values(), self.languages)
        self.segmenter_options = segmenter_options
        self.max_listeners = max_listeners
        self.max_pending_bytes = max_pending_bytes
        self.idle_timeout_s = idle_timeout_s
        self.metrics = metrics or Metrics()
        self.account = account or Account()
        """Of what waits in the process for all clients."""
        self.account.note_cut_off = self.metrics.cut_off.inc
        self.words_for: Callable[[str], Sequence[WordTable]] = _no_words
        """The server's pronunciations for a language, as they are now."""
        self.ledgers: set[Ledger] = set()
        """The ledgers of all listeners."""
        self.pace = ServerPace(self.engines_for, executor.meters, voices, max_listeners)
        self.leaving = leaving or Leaving()
        self.places = Places(
            max_listeners, leaving=self.leaving, pace=self.pace, metrics=self.metrics
        )
        self._unknown, self.unknown_styles = trio.open_memory_channel[Style](1)
        """Styles that were chosen, and of whose engines nobody knows yet how fast they are."""
        self._show_state()

    @property
    def _engines(self) -> tuple[Engine, ...]:
        """All engines, in the order of the data."""
        return *self.synthesizers.values(), self.converter, *self.voice_converters.values()

    async def install_engines(
        self, preload: Sequence[str] = (), tell: Tell = tell_nobody
    ) -> list[str]:
        """Load and warm up the engines, the default voice and those to `preload`; `tell` gets each
        part as it begins. Raises what the engines raise. Returns the names of voices for which
        there is no room beside the others."""
        tell("engines: starting")
        for engine in self._engines:
            await self.executor.add(engine, tell)
        chosen = [replace(self.style, voice=name) for name in (self.style.voice, *preload)]
        warm = [each for style in chosen for each in self.engines_for(style)]
        for user, (engine, style) in enumerate(warm):
            n_bytes = engine.to_read(style)
            if n_bytes:
                tell(f"{style.voice}, {megabytes(n_bytes)}: reading")
            # Each by a user of its own: none makes room for another.
            voice = engine.load_voice((self, user), style, ahead=True)
            await trio.to_thread.run_sync(voice.result, abandon_on_cancel=True)
        left_out = [style.voice for engine, style in warm if engine.to_read(style)]
        for user, (engine, _) in enumerate(warm):
            engine.release_voice((self, user))
        speaks = self._speaks(self.style).language or ""
        for language in {speaks, *(chosen.tag for chosen in self.languages.chosen.values())}:
            await trio.to_thread.run_sync(self._prepare, language, abandon_on_cancel=True)
        return left_out

    def _prepare(self, language: str) -> None:
        """Compile what text of a language needs, on any thread."""
        prepare(language)
        for engine in self.synthesizers.values():
            engine.legible("é", language)

    def names_for(self, tenant: Tenant | None) -> VoiceNames:
        """The voices that a tenant may have, by all their names."""
        return self.voice_names.of(tenant)

    def new_conversation(
        self, segmentation: Segmentation, tenant: Tenant | None = None
    ) -> Conversation:
        """The settings that a conversation begins with: cut as its protocol promises, unless the
        server was told how to cut; in the server's voice, if the tenant may have that."""
        style = replace(self._style_for(tenant), segmentation=self._segmentation or segmentation)
        return Conversation(
            self.voices,
            style,
            self.languages,
            pacing=self.pacing,
            factor=self.pace.factor,
            allows=None if tenant is None else tenant.allows,
        )

    def _style_for(self, tenant: Tenant | None) -> Style:
        """The server's style, in a voice that the tenant may have."""
        if tenant is None:
            return self.style
        return replace(self.style, voice=self.names_for(tenant).default)

    def synthesizer_for(self, style: Style) -> tuple[Engine, Style]:
        """The engine that speaks text of this style, and the style with a voice of that engine:
        its own, or the one that is then converted into it."""
        voice = self._speaks(style)
        if voice.name != style.voice:
            style = replace(style, voice=voice.name)
        return self.synthesizers[voice.engine], style

    def _speaks(self, style: Style) -> Voice:
        """The synthesizer's voice that speaks text of this style: in another language than its own
        a neural voice makes way for another of that language, if there is one, and else for the
        built-in one; a built-in voice for that of the same variant."""
        voice = self.voices[style.voice]
        if voice.speaks_with is not None:
            voice = self.voices[voice.speaks_with]
        if style.language is None or style.language == AUTO:
            return voice
        if f"{voice.language}-".startswith(f"{style.language}-"):
            return voice
        language = self.languages.find(style.language)
        own = self.languages.find(voice.language or "")
        if language is None or language == own or language.tag == voice.language:
            return voice
        if voice.type == "neural":
            other = self._neural_voices.find(style.language, voice.engine)
            return other or self.voices[language.tag]
        _, plus, variant = voice.name.partition("+")
        return self.voices[language.tag + plus + variant]

    def language(self, style: Style) -> str:
        """The tag of the language that text of this style is read in, if not all of its letters
        are of another script; empty where it is not known."""
        return self._speaks(style).language or ""

    def least_chars(self, style: Style) -> int:
        """The shortest text that this style's engine speaks well; see `Engine.least_chars`."""
        return self.synthesizer_for(style)[0].least_chars

    async def said(self, segment: Segment) -> Segment:
        """A segment whose spoken text is written as it is said, in the language that it is spoken
        in and the letters of its engine, without those that the engine cannot read."""
        style = segment.style
        if style.language == AUTO:
            other = language_for(segment.spoken, self.language(style))
            style = replace(style, language=other)
        language = self.language(style)
        if not is_prepared(language):  # that would hold up all others
            await trio.to_thread.run_sync(self._prepare, language)
        engine, _ = self.synthesizer_for(style)
        find = partial(
            pronunciations,
            language=language,
            tables=(*_own_words(style), *self.words_for(language)),
            takes_sounds=engine.takes_sounds,
        )
        fixed = find(segment.spoken)
        legible = outside(segment.spoken, fixed, partial(engine.legible, language=language))
        written = segment.written
        remarks: list[Remark] = []
        if legible != segment.spoken:
            fixed = find(legible)
            remarks.append("skipped")
            left = Buffer(segment.spoken)
            left.become(legible)
            readable = left.spoken(with_gaps=True)
            written = readable if written is None else readable.of(written)
        said = normalise(legible, language, letters=engine.letters, fixed=fixed)
        return replace(
            segment,
            spoken=said.text,
            language=language or None,
            remarks=remarks,
            written=said if written is None else said.of(written),
        )

    def converter_for(self, style: Style) -> tuple[Engine, Style] | None:
        """The engine that gives speech this style's voice, pitch and speed, and the style with the
        speed that is left to that engine; None: the speech has them."""
        voice = self.voices[style.voice]
        speaks, _ = self.synthesizer_for(style)
        style = replace(style, speed=style.speed / speaks.own_speed(style.speed))
        if voice.speaks_with is not None:
            return self.voice_converters[voice.engine], style
        return (self.converter, style) if style.pitch_shift or style.speed != 1.0 else None

    def engines_for(self, style: Style) -> Iterator[tuple[Engine, Style]]:
        """The engines that text of this style goes through, each with its own style."""
        yield self.synthesizer_for(style)
        converter = self.converter_for(style)
        if converter is not None:
            yield converter

    def load_ahead(self, listener: Hashable, style: Style) -> list[tuple[str, Future[Any]]]:
        """Load the voices of the style that a listener has just chosen and may use soon; returns
        their names, and what is done when they are loaded."""
        chosen = dict(self.engines_for(style))
        loading = []
        for engine in self._engines:
            if engine in chosen:
                own = chosen[engine]
                loading.append((own.voice, engine.load_voice(listener, own, ahead=True)))
            else:
                engine.release_voice(listener)
        if self.pace.factor(style) is None:
            with suppress(trio.WouldBlock):  # others are: it comes when it is chosen again
                self._unknown.send_nowait(style)
        return loading

    def forget(self, listener: Hashable) -> None:
        """Release the voices of a listener that has gone."""
        for engine in self._engines:
            engine.release_voice(listener)

    @property
    def not_ready_because(self) -> str | None:
        """The reason why a new listener would not be served; None: it would."""
        if self.leaving.closing.is_set():
            return "the server is shutting down"
        if self.leaving.is_draining:
            return "draining"
        return self.executor.fault

    @property
    def n_listeners(self) -> int:
        """Those who have a place."""
        return self.places.n_taken

    def admit(
        self, style: Style | None = None, caller: Caller = NOBODY, *, is_here: bool = False
    ) -> AbstractContextManager[Usage]:
        """A place for one listener, who begins in this style; see `Places.take`."""
        style = style or self._style_for(caller.tenant)
        return self.places.take(style, caller, is_here=is_here)

    def check_room(self, tenant: Tenant | None = None) -> None:
        """Look whether there is a place; see `Places.check`."""
        self.places.check(self.style, tenant)

    def _show_state(self) -> None:
        metrics = self.metrics
        metrics.ready.set_function(lambda: self.not_ready_because is None)
        metrics.draining.set_function(lambda: self.leaving.is_draining)
        metrics.listeners.set_function(lambda: self.n_listeners)
        metrics.tasks.set_function(lambda: trio.lowlevel.current_statistics().tasks_living)
        metrics.pending_text_bytes.set_function(lambda: sum(own.n_bytes for own in self.ledgers))
        metrics.waiting_bytes.set_function(lambda: self.account.held_bytes)
        metrics.waiting_bound_bytes.set_function(lambda: self.account.bound_bytes)
        metrics.load.set_function(self.pace.load)
        metrics.capacity.set_function(lambda: self.pace.capacity(self.style))
        metrics.engines += self._engines
        for gauge, show in (
            (metrics.factor_now, self.pace.engine_factor),
            (metrics.engine_load, self.pace.engine_load),
            (metrics.engine_capacity, self.pace.engine_capacity),
            (metrics.queued, self.executor.n_queued),
        ):
            for engine in self._engines:
                gauge.labels(engine.name).set_function(partial(show, engine))


def _own_words(style: Style) -> tuple[WordTable, ...]:
    return () if style.lexicon is None else (style.lexicon,)
