"""A Discord bot that speaks in a voice channel while its language model is still writing.

    pip install "discord.py[voice]" websockets      (and the system's libopus)
    DISCORD_TOKEN=... python examples/discord_bot.py

SPEECH_URL is the voice server's WebSocket, where it is not on this machine, and SPEECH_KEY its key.
Then, in a voice channel: ``!speak Tell me a story.`` A second ``!speak`` interrupts the first.
``!voice`` tells which voices there are, ``!voice en-us+m3`` chooses one for the server's channels.

Voice channels are encrypted from end to end (DAVE): discord.py does that itself, packet by packet,
if ``davey`` is installed, which the extra ``voice`` brings; without it, it cannot connect.

discord.py takes 20 ms of 48 kHz stereo s16le at a time from one source for as long as that
source has some. The server can send just that, a frame in each message, so this source hands
frames over and no more. Playing each message by an ``FFmpegPCMAudio`` of its own, as one finds
it in samples, does not work:

- Its ``options`` come after ffmpeg's input and so describe the output. ffmpeg must then guess
  what it is given, and bare PCM has no header to guess from (``-f f32le -ar 48000 -ac 1`` would
  have to be ``before_options``); where it does get through, the output is no longer the s16le
  stereo that discord.py sends on.
- Each message starts a new process and a new player. Waiting for the last one to end by polling
  every 100 ms adds a gap after every few words.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import aiohttp
import discord
from discord.ext import commands
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

URL = "ws://localhost:8765/ws/stream"
FORMAT = "?encoding=s16le&sample_rate=48000&channels=2&frame_ms=20&events=true"

FRAME_MS = 20
SILENCE = bytes(2 * 2 * 48 * FRAME_MS)

MAX_VOICES_TOLD = 60
"""A message has 2000 characters."""

MAX_FRAMES_WAITING = 500
"""Ten seconds. The server is much faster than speech; this bounds what a long story takes."""

log = logging.getLogger(__name__)


async def llm_stream(prompt: str) -> AsyncIterator[str]:
    """Replace this with your language model: yield its tokens as they come."""
    for word in f"You said: {prompt}".split():
        await asyncio.sleep(0.05)
        yield word + " "


class SpeechSource(discord.AudioSource):
    """The sound of one answer, with silence where no frame has arrived in time, so that one player
    plays it from start to end. The player reads it in a thread of its own."""

    def __init__(self) -> None:
        self.n_played = 0
        self._frames: deque[bytes] = deque()  # whose ends may be used from two threads
        self._has_ended = False

    async def feed(self, frame: bytes) -> None:
        """Append 20 ms, once there is room."""
        while len(self._frames) >= MAX_FRAMES_WAITING:  # noqa: ASYNC110 - a thread takes them
            await asyncio.sleep(FRAME_MS / 1000)
        self._frames.append(frame)

    def end(self) -> None:
        """Announce that no more frames come; those that are there are still played."""
        self._has_ended = True

    def drop(self) -> None:
        """Fall silent at once."""
        self._has_ended = True
        self._frames.clear()

    def read(self) -> bytes:
        """The next 20 ms; b"": there are no more."""
        has_ended = self._has_ended  # asked first: the last frame may come in between
        try:
            frame = self._frames.popleft()
        except IndexError:
            return b"" if has_ended else SILENCE
        self.n_played += 1
        return frame


class Answer:
    """One answer on its way from the language model to a voice channel."""

    def __init__(
        self,
        voice_client: discord.VoiceClient,
        url: str = URL,
        voice: str | None = None,
        key: str | None = None,
    ) -> None:
        self.text_heard: str | None = None
        """After an interruption, the text that the listeners have heard: this much of the answer
        belongs in the language model's history."""
        self._voice_client = voice_client
        self._url = url + FORMAT + (f"&voice={quote(voice)}" if voice else "")
        self._headers = _headers(key)
        self._source = SpeechSource()
        self._socket: ClientConnection | None = None
        self._sending: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._is_playing = False
        self._interrupted = False
        self._over = asyncio.Event()

    async def speak(self, tokens: AsyncIterator[str]) -> None:
        """Speak tokens as they come; returns when the last one has been played."""
        try:
            # Reading waits for the player, and with it the answer to a ping of ours would; the
            # server pings anyway.
            async with connect(
                self._url, additional_headers=self._headers, ping_interval=None
            ) as socket:
                self._socket = socket
                async with asyncio.TaskGroup() as tasks:
                    if not self._interrupted:
                        self._sending = tasks.create_task(self._send(socket, tokens))
                        await self._receive(socket)
        finally:
            self._source.end()
            self._over.set()

    async def interrupt(self) -> None:
        """Fall silent, stop the model, and learn what was heard."""
        self._interrupted = True
        self._source.drop()
        if self._is_playing:
            self._voice_client.stop()
        if self._sending is not None:
            self._sending.cancel()
        if self._socket is not None and not self._over.is_set():
            cancel = {"cancel": True, "played_ms": self._source.n_played * FRAME_MS}
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(json.dumps(cancel))
        await self._over.wait()

    async def _send(self, socket: ClientConnection, tokens: AsyncIterator[str]) -> None:
        async for token in tokens:
            await socket.send(json.dumps({"token": token}))
        await socket.send(json.dumps({"flush": True}))

    async def _receive(self, socket: ClientConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                if not self._interrupted:
                    await self._play(message)
                continue
            event = json.loads(message)
            if "error" in event:
                log.warning("the voice server: %s", event["error"])
            elif event["event"] == "cancelled":
                self.text_heard = event["text_spoken"]
                return
            elif event["event"] == "flushed":
                self._source.end()
                if not self._is_playing:  # there was nothing to be heard in it
                    return

    async def _play(self, frame: bytes) -> None:
        await self._source.feed(frame)
        if not self._is_playing:
            self._is_playing = True
            loop = asyncio.get_running_loop()
            self._voice_client.play(
                self._source, after=lambda _: loop.call_soon_threadsafe(self._player_has_ended)
            )

    def _player_has_ended(self) -> None:
        self._source.drop()  # it may have ended early: the bot was thrown out of the channel
        if self._socket is not None and not self._interrupted:
            self._closing = asyncio.create_task(self._socket.close())  # which ends `_receive`


class Voice(commands.Cog):
    """The bot's commands."""

    def __init__(self, url: str = URL, key: str | None = None) -> None:
        self._url = url
        self._key = key
        self._answers: dict[int, Answer] = {}
        self._voices: dict[int, str] = {}

    @commands.command()
    @commands.guild_only()
    async def speak(self, context: commands.Context[commands.Bot], *, prompt: str) -> None:
        """Answer in the voice channel. Whatever is being said there is interrupted."""
        voice_client = context.voice_client or await self._join(context)
        if not isinstance(voice_client, discord.VoiceClient) or context.guild is None:
            await context.send("You need to be in a voice channel!")
            return
        before = self._answers.get(context.guild.id)
        voice = self._voices.get(context.guild.id)
        answer = Answer(voice_client, self._url, voice, self._key)
        self._answers[context.guild.id] = answer
        if before is not None:
            await before.interrupt()
        try:
            await answer.speak(llm_stream(prompt))
        except (OSError, InvalidHandshake) as error:
            log.warning("cannot connect to the voice server at %s: %s", self._url, error)
            await context.send("I have lost my voice: the voice server does not answer.")

    @commands.command()
    @commands.guild_only()
    async def voice(self, context: commands.Context[commands.Bot], name: str | None = None) -> None:
        """Choose who speaks from the next answer on; without a name, tell who can."""
        try:
            names = await self._names()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("cannot ask %s for its voices: %s", self._url, error)
            await context.send("The voice server does not answer.")
            return
        if context.guild is not None and name in names:
            self._voices[context.guild.id] = name
            await context.send(f"From now on {name} speaks.")
            return
        told = ", ".join(names[:MAX_VOICES_TOLD])
        more = f" and {len(names) - MAX_VOICES_TOLD} more" if len(names) > MAX_VOICES_TOLD else ""
        await context.send(
            f"{'These can speak' if name is None else 'Only these can'}: {told}{more}"
        )

    async def _names(self) -> list[str]:
        """The names of the server's voices."""
        address = urlsplit(self._url)
        scheme = "https" if address.scheme == "wss" else "http"
        limit = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(headers=_headers(self._key), timeout=limit) as session,
            session.get(f"{scheme}://{address.netloc}/api/voices", raise_for_status=True) as answer,
        ):
            return [voice["name"] for voice in (await answer.json())["voices"]]

    async def _join(self, context: commands.Context[commands.Bot]) -> discord.VoiceProtocol | None:
        author = context.author
        if not isinstance(author, discord.Member) or author.voice is None:
            return None
        channel = author.voice.channel
        return None if channel is None else await channel.connect()


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


async def main(token: str) -> None:
    """Run the bot."""
    discord.utils.setup_logging()
    intents = discord.Intents.default()
    intents.message_content = True
    async with commands.Bot("!", intents=intents) as bot:
        url, key = os.environ.get("SPEECH_URL", URL), os.environ.get("SPEECH_KEY")
        await bot.add_cog(Voice(url, key))
        try:
            await bot.start(token)
        except discord.LoginFailure as error:
            sys.exit(f"Discord does not take the token in DISCORD_TOKEN: {error}")


if __name__ == "__main__":
    if not os.environ.get("DISCORD_TOKEN"):
        sys.exit(
            "DISCORD_TOKEN is not set: it holds the bot's token, from Discord's developer portal"
        )
    asyncio.run(main(os.environ["DISCORD_TOKEN"]))
