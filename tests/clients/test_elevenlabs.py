"""The ElevenLabs SDK as it is, and its multi-context socket as Pipecat and LiveKit use it."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.types import VoiceSettings
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import ClientConnection, connect

from tests.audio.listening import hear
from tests.clients.test_seed_samples import TEXT, words
from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from tests.server_process import ServerProcess

VOICE = "21m00Tcm4TlvDq8ikWAM"
"""Rachel, theirs. Here the default voice speaks for her."""

KEY = "a-key-of-the-tests-1"
CERTIFICATE, TLS_KEY = (ROOT / "tests" / "tls" / name for name in ("certificate.pem", "key.pem"))
WITH_TLS = ("--tls-certificate", str(CERTIFICATE), "--tls-key", str(TLS_KEY))
TRUSTING = ssl.create_default_context(cafile=str(CERTIFICATE))

STORY = "".join(f"This is sentence number {n}, and it is spoken. " for n in range(40))


@pytest.fixture
def client(server: ServerProcess) -> ElevenLabs:
    return ElevenLabs(base_url=server.http_url, api_key="any", timeout=PATIENCE_S)


def pcm(server: ServerProcess, text: str, **keys: object) -> bytes:
    """A text at 24 kHz, from the server's own door."""
    asked = {"text": text, "format": "s16le", "sample_rate": 24_000, **keys}
    answer = server.ask("/api/speak", "POST", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.content


def likeness(heard: npt.NDArray[np.float64], sound: npt.NDArray[np.float64]) -> float:
    """The best correlation of a decoded sound with what was said, over what codecs hold it back:
    near 1 if it has its length, its loudness and its order."""
    n = min(len(heard), len(sound))
    assert abs(len(heard) - len(sound)) < 5000
    loudness = float(np.abs(heard[:n]).sum() / np.abs(sound[:n]).sum())
    assert 0.9 < loudness < 1.1
    spectrum = np.fft.rfft(heard, 2 * n) * np.conj(np.fft.rfft(sound, 2 * n))
    return float(np.fft.irfft(spectrum).max() / np.linalg.norm(heard) / np.linalg.norm(sound))


def test_what_is_said_is_heard(client: ElevenLabs, server: ServerProcess) -> None:
    answer = client.text_to_speech.convert(VOICE, text=TEXT, output_format="pcm_24000")
    assert b"".join(answer) == pcm(server, TEXT)


def test_an_mp3_is_the_default(client: ElevenLabs, server: ServerProcess) -> None:
    data = b"".join(client.text_to_speech.stream(VOICE, text=TEXT))
    heard = hear(data)
    assert (heard.container, heard.sample_rate) == ("mp3", 44_100)
    asked = {"text": TEXT, "format": "s16le", "sample_rate": 44_100}
    sound = np.frombuffer(server.ask("/api/speak", "POST", json=asked).content, "<i2") / 32767
    assert likeness(heard.sound[0], sound) > 0.98


def test_settings_of_a_voice_count(client: ElevenLabs, server: ServerProcess) -> None:
    answer = client.text_to_speech.convert(
        "de+f3",
        text="Guten Tag, wie geht es dir?",
        output_format="pcm_24000",
        language_code="de",
        voice_settings=VoiceSettings(speed=1.2, stability=0.3, use_speaker_boost=True),
        previous_text="Hallo!",
        seed=7,
    )
    own = pcm(server, "Guten Tag, wie geht es dir?", voice="de+f3", speed=1.2)
    assert b"".join(answer) == own


def test_times_come_with_the_sound(client: ElevenLabs, server: ServerProcess) -> None:
    whole = client.text_to_speech.convert_with_timestamps(
        VOICE, text=TEXT, output_format="pcm_24000"
    )
    lines = list(
        client.text_to_speech.stream_with_timestamps(VOICE, text=TEXT, output_format="pcm_24000")
    )
    sound = pcm(server, TEXT)
    assert base64.b64decode(whole.audio_base_64) == sound
    assert b"".join(base64.b64decode(line.audio_base_64) for line in lines) == sound
    told = [line.alignment for line in lines if line.alignment is not None]
    assert whole.alignment is not None
    for characters, ends in (
        (whole.alignment.characters, whole.alignment.character_end_times_seconds),
        (
            [char for each in told for char in each.characters],
            [end for each in told for end in each.character_end_times_seconds],
        ),
    ):
        assert "".join(characters) == TEXT
        assert ends == sorted(ends)
        assert ends[-1] == pytest.approx(len(sound) / 48_000, abs=0.01)


def test_voices_and_models_are_listed(client: ElevenLabs) -> None:
    listed = client.voices.get_all().voices
    searched = client.voices.search()
    assert [voice.voice_id for voice in listed] == [voice.voice_id for voice in searched.voices]
    assert {voice.category for voice in listed} == {"premade"}
    assert client.voices.get(voice_id="en-us+f3").name == "en-us+f3"
    [first, *_] = client.models.list()
    assert first.can_do_text_to_speech


def test_errors_say_what_was_wrong(client: ElevenLabs) -> None:
    with pytest.raises(ApiError) as raised:
        list(client.text_to_speech.convert(VOICE, text=" ", output_format="pcm_24000"))
    assert raised.value.status_code == 422
    assert raised.value.body["detail"]["message"].startswith("text: ")
    with pytest.raises(ApiError) as raised:
        list(client.text_to_speech.convert(VOICE, text="Hi", output_format="pcm_1"))
    assert raised.value.body["detail"]["message"].startswith("output_format: ")


def test_a_key_that_is_missing_is_told_in_their_words() -> None:
    with running_server(env={"VOICE_API_KEYS": KEY}) as server:
        client = ElevenLabs(base_url=server.http_url, api_key="not-one-of-our-keys")
        with pytest.raises(ApiError) as raised:
            client.voices.get_all()
        assert ElevenLabs(base_url=server.http_url, api_key=KEY).voices.get_all().voices
    assert raised.value.status_code == 401
    assert raised.value.body["detail"]["status"] == "unauthorized"


# It asks websockets in a way that this is to lose.
@pytest.mark.filterwarnings("ignore:ConnectionClosed.code is deprecated:DeprecationWarning")
def test_words_are_heard_while_they_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """`convert_realtime` always speaks TLS, so the server does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with running_server(*WITH_TLS) as server:
        client = ElevenLabs(base_url=f"https://localhost:{server.port}", api_key="any")
        heard = client.text_to_speech.convert_realtime(
            VOICE, text=iter(words(TEXT)), output_format="pcm_24000"
        )
        data = b"".join(heard)
        asked = {"text": TEXT, "format": "s16le", "sample_rate": 24_000}
        url = f"https://localhost:{server.port}/api/speak"
        sound = httpx.post(url, json=asked, verify=TRUSTING, timeout=PATIENCE_S).content
    assert data == sound


# The multi-context socket. Their SDK has no client for it; these are Pipecat's messages.


class Agent:
    """A voice agent on one socket, as Pipecat is one."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def say(self, **message: object) -> None:
        self._socket.send(json.dumps(message))

    def begin(self, context: str) -> None:
        self.say(text=" ", context_id=context, voice_settings={"speed": 1.0})

    def end(self, context: str) -> None:
        """The end of a turn, told before its sound is out."""
        self.say(context_id=context, flush=True)
        self.say(context_id=context, close_context=True)

    def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=PATIENCE_S))
        return message

    def hear_turn(self, context: str) -> tuple[bytes, list[str], float]:
        """The sound of a context up to its end, the words, and the end of the last in seconds."""
        sound, chars, clock = b"", "", 0.0
        while True:
            message = self.hear()
            assert message["contextId"] == context
            if message.get("isFinal"):
                return sound, chars.split(), clock
            sound += base64.b64decode(message["audio"])
            if times := message["alignment"]:
                chars += "".join(times["chars"])
                clock += (times["charStartTimesMs"][-1] + times["charDurationsMs"][-1]) / 1000


@pytest.fixture
def agent_at(server: ServerProcess) -> Iterator[Callable[..., Agent]]:
    sockets = contextlib.ExitStack()

    def at(output_format: str = "pcm_24000", *, auto_mode: bool = True) -> Agent:
        url = f"ws://{server.host}:{server.port}/v1/text-to-speech/{VOICE}/multi-stream-input"
        query = f"model_id=eleven_flash_v2_5&output_format={output_format}"
        auto = f"auto_mode={str(auto_mode).lower()}&enable_logging=true&inactivity_timeout=180"
        own = connect(f"{url}?{query}&{auto}", additional_headers={"xi-api-key": "any"})
        return Agent(sockets.enter_context(own))

    with sockets:
        yield at


def test_a_turn_is_heard_to_its_end(agent_at: Callable[..., Agent], server: ServerProcess) -> None:
    """Sentence behind sentence, nothing between them; the end is told long before it is heard."""
    agent = agent_at()
    sentences = ["I will restart the server.", "It should take a minute.", "Then try again!"]
    for turn in ("one", "two"):
        agent.begin(turn)
        for sentence in sentences:
            agent.say(text=sentence, context_id=turn)
        agent.say(text="", context_id=turn)  # a keepalive is no end
        agent.end(turn)
        sound, heard, clock = agent.hear_turn(turn)
        assert sound == b"".join(pcm(server, sentence) for sentence in sentences)
        assert heard == " ".join(sentences).split()
        assert clock == pytest.approx(len(sound) / 48_000, abs=0.002)
    agent.say(close_socket=True)
    with pytest.raises(ConnectionClosedOK):
        agent.hear()


def test_words_of_a_model_are_heard_as_one_text(
    agent_at: Callable[..., Agent], server: ServerProcess
) -> None:
    agent = agent_at(auto_mode=False)
    agent.begin("A")
    for word in words(TEXT):
        agent.say(text=word, context_id="A")
    agent.end("A")
    assert agent.hear_turn("A")[:2] == (pcm(server, TEXT), TEXT.split())


def test_an_interruption_stops_one_turn_and_the_next_is_heard(
    agent_at: Callable[..., Agent], server: ServerProcess
) -> None:
    """The turn has been closed before; the second close stops it, and nothing of it comes later."""
    agent = agent_at()
    agent.begin("one")
    agent.say(text=STORY, context_id="one")
    agent.end("one")
    assert agent.hear()["contextId"] == "one"
    agent.say(context_id="one", close_context=True)
    agent.begin("two")
    agent.say(text="Yes?", context_id="two")
    agent.end("two")
    n_bytes = 0
    while not (message := agent.hear()).get("isFinal"):
        n_bytes += len(message["audio"])
        assert message["contextId"] == "one"
    assert n_bytes < len(pcm(server, STORY)) / 4, "it was stopped"
    assert message["contextId"] == "one"
    assert agent.hear_turn("two")[0] == pcm(server, "Yes?")


def test_livekit_hears_one_mp3_of_a_turn(
    agent_at: Callable[..., Agent], server: ServerProcess
) -> None:
    """Its plugin's default. A tag in mid-stream made its decoder lose all behind it."""
    agent = agent_at("mp3_22050_32")
    sentences = ["Hello world! ", "How are you today? ", "I would say, rather well. "]
    agent.say(text=" ", context_id="A", voice_settings=None)
    for sentence in sentences:
        agent.say(text=sentence, context_id="A")
    agent.say(text="", context_id="A", flush=True)
    agent.say(context_id="A", close_context=True)
    data, _, clock = agent.hear_turn("A")
    heard = hear(data, "mp3").sound[0]
    said = b"".join(pcm(server, each, sample_rate=22_050) for each in sentences)
    assert likeness(heard, np.frombuffer(said, "<i2") / 32767) > 0.95
    assert clock == pytest.approx(len(heard) / 22_050, abs=0.15)
    assert b"Xing" not in data
