"""The client, to one of the conversations on its socket: encodes what it is sent, has the dialect
put it into words, and shows that the server lives."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from pipeline.encoding import EncodedSound, silence
from stages.errors import Disconnected, ProtocolError, TooMuchText
from stages.items import Flushed, PcmFrame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pipeline.dialects.dialect import Action, Dialect, Message, Open
    from stages.intake.conversation import Conversation
    from stages.items import Answer, ClientMessage, Outgoing

KEEP_ALIVE_S = 2.0
"""How long a client waits for sound before it is sent a little silence. Pipecat takes a service for
dead that sends none for 3.0 s, LiveKit one for 10 s; both count nothing but sound."""

KEEP_ALIVE_SOUND_S = 0.02
"""The length of that silence: enough that a few of them fill an MP3's frames."""

PAD_S = 0.1
"""The silence behind a flush that pushes all sound before it out of a codec: more than any of them
holds (an MP3 of 22.05 kHz 76 ms)."""


class ContextPeer:
    """One conversation's client: `pipeline.connection.Peer`."""

    def __init__(
        self,
        opening: Open,
        conversation: Conversation,
        dialect: Dialect,
        receive: Callable[[], Awaitable[ClientMessage | ProtocolError]],
        *,
        send: Callable[[Message], Awaitable[None]],
        do: Callable[[Iterable[Action]], Awaitable[None]],
    ) -> None:
        """`receive` gives what the client said to this conversation, and raises
        `trio.EndOfChannel` behind it."""
        self._opening = opening
        self._conversation = conversation
        self._dialect = dialect
        self._receive = receive
        self._send = send
        self._do = do
        self._encoded: EncodedSound | None = None
        has_codec = opening.form is not None and opening.form.has_codec
        self._pads_flushes = has_codec and opening.pads_flushes
        self._sending = trio.Lock()  # the writer and the keep-alive take turns
        self._n_owed = 0
        """The flushes that were asked for and are not done; the end of the text is one, too."""
        self._sent_at = trio.current_time()

    async def begin(self) -> None:
        """Have the codec ready, if there is one."""
        if self._opening.form is not None:
            self._encoded = await EncodedSound.begin(self._opening.form)

    async def end(self) -> None:
        """Send what the codec still holds. Raises `Disconnected`."""
        if self._encoded is not None:
            data = await self._encoded.end()
            if data:
                await self._tell(PcmFrame(data, 0, None))

    async def receive(self) -> ClientMessage | None:
        try:
            letter = await self._receive()
        except trio.EndOfChannel:
            self._owe()
            return None
        if isinstance(letter, ProtocolError):
            raise letter
        if letter.cancel:
            self._n_owed = 0
        if letter.flush:
            self._owe()
        return letter

    def _owe(self) -> None:
        if not self._n_owed:
            self._sent_at = trio.current_time()
        self._n_owed += 1

    async def send(self, item: Outgoing | Answer) -> None:
        async with self._sending:
            match item:
                case PcmFrame():
                    await self._send_sound(item)
                case Flushed():
                    self._n_owed = max(0, self._n_owed - 1)
                    if self._pads_flushes:
                        await self._send_sound(self._silence(PAD_S))
                    await self._tell(item)
                    self._sent_at = trio.current_time()
                case TooMuchText():
                    self._n_owed = 0  # the flush that was refused will never be done
                    await self._tell(item)
                case _:
                    await self._tell(item)

    async def keep_alive(self, is_sending: Callable[[], bool]) -> None:
        """Send a little silence whenever the client has waited for sound for a while. One that does
        not read what it is sent (`is_sending`) does not wait."""
        with contextlib.suppress(Disconnected):  # the writer is told as well
            while True:
                await trio.sleep_until(self._sent_at + KEEP_ALIVE_S)
                if trio.current_time() < self._sent_at + KEEP_ALIVE_S:
                    continue
                if self._n_owed and not is_sending():
                    await self.send(self._silence(KEEP_ALIVE_SOUND_S))
                self._sent_at = trio.current_time()

    def _silence(self, seconds: float) -> PcmFrame:
        form = self._conversation.stream_format
        data = silence(seconds, form.encoding, form.sample_rate, form.channels)
        return PcmFrame(data, round(seconds * form.sample_rate), None)

    async def _send_sound(self, frame: PcmFrame) -> None:
        if self._encoded is not None:
            frame = replace(frame, data=await self._encoded.push(frame.data))
        if frame.data:
            await self._tell(frame)
        self._sent_at = trio.current_time()

    async def _tell(self, item: Outgoing | Answer) -> None:
        for told in self._dialect.tell(self._opening.context, item):
            if isinstance(told, (str, bytes)):
                await self._send(told)
            else:
                await self._do([told])
