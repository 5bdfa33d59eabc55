"""Runs the Discord example with discord.py's own player: a URL in, what it played out, as JSON.

Of discord.py only the way to Discord is replaced: a voice client that keeps each packet instead
of encrypting and sending it. Needs no libopus, since nothing is encoded.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import discord
from discord.player import AudioPlayer

from examples import discord_bot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


NOBODY = "ws://127.0.0.1:1/ws/stream"


class RecordingVoiceClient(discord.VoiceClient):
    """A voice client that is always connected, to nothing."""

    def __init__(self) -> None:
        self.client = SimpleNamespace(loop=asyncio.get_running_loop())  # type: ignore[assignment]
        self.packets: list[bytes] = []
        self.n_players = 0
        self._player = None

    @property
    def timeout(self) -> float:
        return 1.0

    @property
    def ws(self) -> Any:  # noqa: ANN401 - there is nothing to describe
        async def speak(state: object) -> None:
            pass

        return SimpleNamespace(speak=speak)

    def is_connected(self) -> bool:
        return True

    def send_audio_packet(self, data: bytes, *, encode: bool = True) -> None:
        if encode:  # what is not to be encoded is the player's own silence at the end
            self.packets.append(data)

    def play(
        self,
        source: discord.AudioSource,
        *,
        after: Callable[[Exception | None], Any] | None = None,
        **_: object,
    ) -> None:
        """As in discord.py, without the encoder."""
        if self.is_playing():
            raise discord.ClientException("Already playing audio.")
        self.n_players += 1
        self._player = AudioPlayer(source, self, after=after)
        self._player.start()

    def take(self) -> dict[str, Any]:
        """What was played since the last time."""
        packets, self.packets = self.packets, []
        n_players, self.n_players = self.n_players, 0
        return {
            "players": n_players,
            "sizes": sorted({len(packet) for packet in packets}),
            "pcm": base64.b64encode(b"".join(packets)).decode(),
        }


async def main(url: str, text: str, story: str) -> None:
    """Speak a text; then a story, which is interrupted; then the text again; and once more where
    there is no server."""
    voice_client = RecordingVoiceClient()
    voice = discord_bot.Voice(url)
    guild = SimpleNamespace(id=1)
    told = []

    async def send(message: str) -> None:
        told.append(message)

    async def command(prompt: str, in_channel: RecordingVoiceClient | None = voice_client) -> None:
        author = SimpleNamespace()
        context = SimpleNamespace(voice_client=in_channel, guild=guild, author=author, send=send)
        callback: Any = voice.speak.callback
        await callback(voice, context, prompt=prompt)

    async def tokens(prompt: str) -> AsyncIterator[str]:
        for word in prompt.split():
            yield word + " "
            # Long enough for the player to run dry in mid-answer.
            await asyncio.sleep(1.5 if word.endswith("!") else 0)

    discord_bot.llm_stream = tokens
    await command(text, in_channel=None)  # not in a channel: told so
    await command(text)
    whole = voice_client.take()

    storyteller = asyncio.create_task(command(story))
    while len(voice_client.packets) < 50:  # a second
        await asyncio.sleep(0.01)
    answer = voice._answers[guild.id]  # noqa: SLF001 - what a bot would add to its history
    await answer.interrupt()
    await storyteller
    interrupted = voice_client.take() | {"heard": answer.text_heard}

    unheard = asyncio.create_task(command(story))
    await asyncio.sleep(0)
    await command(text)
    await unheard
    again = voice_client.take()

    chosen: Any = voice.voice.callback
    context = SimpleNamespace(guild=guild, send=send)
    await chosen(voice, context)  # tells the voices
    await chosen(voice, context, "nobody")
    await chosen(voice, context, "en-us+m3")
    await command(text)
    other = voice_client.take()

    await command("...")  # without a sound
    nothing = voice_client.take()
    await asyncio.sleep(0.1)
    late = voice_client.take()

    logging.disable(logging.WARNING)  # on standard error there shall be faults alone
    voice = discord_bot.Voice(NOBODY)
    await command(text)
    await chosen(voice, context)
    json.dump(
        {
            "told": told,
            "whole": whole,
            "interrupted": interrupted,
            "again": again,
            "other": other,
            "nothing": nothing,
            "late": late,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
