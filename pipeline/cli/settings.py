"""Every option, defined once: as a flag, as an environment variable, and in a TOML file.

``pipeline/cli/option_sources.py`` reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from pipeline.cli.option_sources import CommonSettings
from pipeline.cli.option_types import (
    HttpUrl,
    Networks,
    Origins,
    PositiveSeconds,
    VoiceNameList,
    Words,
)
from pipeline.dialects.values import LanguageTag, SampleRate, Speed, Volume
from stages.audio.choices import SAMPLE_RATES, LinearEncoding
from stages.conversion_settings import PitchShift
from stages.items import PacingMode, Segmentation
from stages.text.choices import Actions, Urls
from stages.voices import VoiceName

MAX_BLOCK_MS = 640
"""The largest block that RVC converts: half of its window of 1.28 s should be known before."""


class SpeechSettings(CommonSettings):
    """The options of serving and of speaking to a file that say how to speak."""

    voice: VoiceName | None = Field(
        None,
        description="who speaks where nobody else is chosen; without it Soprano, and where that is"
        " not used a Piper voice of --language or of the first of --espeak-languages, or else that"
        " one's +f3",
    )
    voice_aliases: Words = Field(
        [],
        description="names that other programs have for voices: alloy=en-us+f3,nova=de. Where such"
        " a program asks for a voice that is not there, the default one speaks",
    )
    pitch_shift: PitchShift = Field(0.0, description="semitones, where none are asked for")
    speed: Speed = Field(
        1.0, description="times as fast as the voice speaks by itself, where none is asked for"
    )
    volume: Volume = Field(0.0, description="decibels, where none are asked for")
    language: LanguageTag | None = Field(
        None,
        description="the language that text is read in: a tag like de or pt-BR, or auto, where the"
        " script of each segment decides; without it the voice's own",
    )
    segmentation: Segmentation | None = Field(
        None,
        description="cut at pauses too (eager), only where a sentence ends, or as the engine speaks"
        " well (auto); without it eager at /ws/stream, and elsewhere auto",
    )
    engine: Literal["auto", "soprano", "piper", "espeak-ng"] = Field(
        "auto",
        description="which one speaks; auto: the first of these that is there. Those behind it are"
        " there for other voices and languages",
    )
    free_voices_only: bool = Field(
        False,
        description="leave out every voice whose terms bind who uses it, or are not known",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="what models run on: cpu, cuda or cuda:1 (AMD's GPUs are cuda, too); auto: a"
        " GPU if there is one",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="precision of models; auto: bfloat16 where the device multiplies it itself, and"
        " else float32; float16 is for RVC on GPUs, and Soprano stays in float32",
    )
    graphs: Literal["auto", "on", "off"] = Field(
        "auto",
        description="on a GPU, record what a model does once and launch it as one (CUDA graphs, or"
        " HIP graphs); auto: if a test at start finds that this works. on: or fail",
    )
    torch_compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="on a GPU, make one kernel of several small operators, by torch.compile, which"
        " needs Triton and a C compiler, and at the first start a minute; auto: if that works."
        " on: or fail",
    )
    soprano_chunk_size: int = Field(
        3, ge=1, le=64, description="tokens, of 64 ms each, in a piece of sound after the first"
    )
    soprano_temperature: float = Field(
        0.0, ge=0, le=2, description="of sampling; 0: always the likeliest token"
    )
    soprano_top_p: float = Field(
        0.95, ge=0.001, le=1, description="sample among the likeliest tokens of this probability"
    )
    soprano_repetition_penalty: float = Field(
        1.2, ge=1, le=10, description="what makes tokens that were there before less likely"
    )
    voices: Path = Field(Path("voices"), description="folder for RVC voices")
    rvc_webui: Path | None = Field(
        None, description="RVC-WebUI's folder, whose voices are offered too"
    )
    rvc_content: Path | None = Field(
        None,
        description="hubert_base.pt, or a folder with a contentvec in transformers' format; without"
        " it what `fetch hubert` got",
    )
    rvc_speaks_with: VoiceName | None = Field(
        None,
        description="whose speech becomes that of an RVC voice that does not say so itself; without"
        " it the voice that speaks where --voice names none",
    )
    rvc_block_ms: int = Field(
        320,
        ge=160,
        le=MAX_BLOCK_MS,
        multiple_of=20,
        description="how much is converted at a time: more takes less work, and longer to answer",
    )
    rvc_memory_mb: int = Field(
        2000,
        ge=1,
        description="of RVC voices that are kept ready, rmvpe included; the longest unused leave",
    )
    espeak_languages: Words = Field(
        ["en-us"],
        min_length=1,
        description="languages whose espeak-ng voices are listed with all their variants; others"
        " can be asked for as well",
    )
    espeak_rate: int = Field(175, ge=80, le=450, description="espeak-ng's words a minute")
    boundary_wait_ms: float = Field(
        150, ge=0, description="how long a full stop waits for what comes after it"
    )
    hold_wait_ms: float = Field(
        1000, ge=0, description="the same, after an abbreviation, a single letter or a digit"
    )
    skip_markdown: bool = Field(
        True, description="do not speak markup: Markdown, HTML, LaTeX, fenced code"
    )
    skip_emoji: bool = Field(True, description="do not speak emoji")
    skip_thinking: bool = Field(True, description="do not speak <think> blocks and their like")
    urls: Urls = Field(
        "host", description="speak of a web address its host, all of it, or the word link"
    )
    actions: Actions = Field(
        "spoken", description="what becomes of emphasis that is an action, like *laughs*"
    )
    lexicon: Path | None = Field(
        None, description="TOML file with words and how they are said, by language"
    )
    log_text: bool = Field(
        False,
        description="let the log tell what is spoken, with --log-level debug; it never does else",
    )


class ServeSettings(SpeechSettings):
    """Serve streaming speech: tokens in over a WebSocket, sound out.

    python server.py [serve] [options]      this
    python server.py speak TEXT [options]   speak to a file or a pipe; see speak --help
    python server.py fetch [options]        get models from the Hugging Face hub; see fetch --help
    python server.py check [options]        say what there is, and what would be used
    python server.py --version              say what this is

    python server.py --port 9000 --voice en-us+m3
    python server.py --host 0.0.0.0 --api-keys-file keys

    Each option is also an environment variable (--espeak-rate: VOICE_ESPEAK_RATE) and a key in
    the TOML file (espeak_rate). A flag beats the variable, which beats the file.
    """

    preload: VoiceNameList = Field(
        [],
        description="voices that are read before anybody is served, with commas between them; the"
        " others are read when somebody chooses them",
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8765, ge=0, le=65535, description="0: any that is free")
    api_keys_file: Path | None = Field(
        None,
        description="file with keys, of which clients need one: one a line or, where its name ends"
        " in .toml, each with a name and limits; VOICE_API_KEYS can hold keys too, with commas"
        " between them. Read again at SIGHUP",
    )
    usage_log: Path | None = Field(
        None,
        description="file to which a line of JSON is added for each conversation: whose key, when,"
        " how much; never the text. Opened again at SIGHUP",
    )
    allow_no_key: bool = Field(
        False, description="let everybody in who reaches an address beyond this machine"
    )
    allowed_hosts: Words = Field(
        [],
        description="further names of this server; while there is no key, it answers to no other",
    )
    allowed_origins: Origins = Field(
        [],
        description="web pages of other hosts that may use this server (https://example.org), and"
        " browser extensions (chrome-extension://and-its-id)",
    )
    trusted_proxies: Networks = Field(
        [],
        description="addresses and networks (10.0.0.0/8) of proxies in front, who may say whose"
        " connections they pass on: by the PROXY protocol, or by X-Forwarded-For",
    )
    open_lists: bool = Field(
        False,
        description="tell /v1/models, /v1/audio/models and /v1/audio/voices without a key, as Open"
        " WebUI asks for them",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file with a certificate chain: speak TLS, https and wss alone"
    )
    tls_key: Path | None = Field(
        None, description="PEM file with its private key, if that is not in the same file"
    )
    wyoming_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port for Home Assistant's Wyoming protocol, at the same address; 10200 is"
        " usual, 0 is any that is free. Nobody needs a key there",
    )
    wyoming_announce: bool = Field(
        False, description="let Home Assistant find that port by itself, by mDNS"
    )
    agent_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port on which HAProxy asks how many listeners there is room for (agent-check),"
        " at the same address; 0 is any that is free. Nobody needs a key there",
    )
    uploads: bool = Field(
        True,
        description="take RVC voices from clients with a key; where there are no keys from clients"
        " on this machine, if it is the only one that reaches the server",
    )
    uploads_file_mb: int = Field(
        500, ge=1, description="the largest file that is taken: a training's checkpoint has 450"
    )
    uploads_quota_mb: int = Field(
        2000,
        ge=1,
        description="of all uploads on the disk: thirty voices of 55 MB, or a dozen with an index",
    )
    max_listeners: int = Field(256, ge=1, description="at a time; further ones get a 503")
    write_stall_s: PositiveSeconds = Field(
        30, description="a client that takes less than 64 KiB of what waits in this time is cut off"
    )
    waiting_mb: int = Field(
        192,
        ge=16,
        description="what may wait in memory for all clients together: sound and answers that were"
        " not read, text that was not spoken. Where more would, the client that holds most, for"
        " longest, is refused or cut off",
    )
    idle_timeout_s: PositiveSeconds | None = Field(
        None, description="a client that neither says nor hears anything for this long is closed"
    )
    pacing: PacingMode = Field(
        "smooth",
        description="speech that is made more slowly than it is heard: held back until it can be"
        " heard without a gap (smooth), or sent as it is made (asap); where a client does not say",
    )
    otlp_endpoint: HttpUrl | None = Field(
        None,
        description="collector of OpenTelemetry traces (http://collector:4318), which gets a span"
        " for each conversation and each segment by OTLP over HTTP; the text only with --log-text",
    )
    shutdown_grace_s: float = Field(
        10, ge=0, description="how long what is being said may go on after SIGTERM"
    )


class SpeakSettings(SpeechSettings):
    """Speak TEXT, or standard input as it arrives, and write the sound as it is made.

    python server.py speak "Hello there!" -o hello.wav
    my-language-model | python server.py speak -o - | aplay -f S16_LE -r 48000

    Ends with 0 when all was spoken, 1 when something failed or there was nothing to speak, 2 for an
    option that does not exist, 130 after Ctrl-C, and 141 where whoever reads the sound has had
    enough.
    """

    model_config = SettingsConfigDict(
        cli_prog_name="server.py speak", cli_shortcuts={"output": "o"}
    )

    text: CliPositionalArg[str | None] = Field(None, description="without it: standard input")
    output: Path = Field(
        Path("speech.wav"),
        description="a file: .wav, .mp3, .opus or .ogg, .flac, .aac; or - for bare PCM on standard"
        " output",
    )
    encoding: LinearEncoding = Field("s16le", description="of bare PCM")
    sample_rate: SampleRate = Field(
        48_000, description=f"hertz: one of {', '.join(map(str, SAMPLE_RATES))}"
    )


class FetchSettings(CommonSettings):
    """Get models from the Hugging Face hub into the models folder.

    python server.py fetch                    Soprano; a second time: check it, and mend it
    python server.py fetch hubert rmvpe       what RVC needs: a content model and a pitch estimator
    python server.py fetch piper en_GB-alba-medium de_DE-thorsten-medium      voices of Piper
    python server.py fetch piper de           which voices of Piper speak German
    python server.py fetch --revision main    move on to the newest one

    A fetch that is interrupted is gone on with by the next. HF_ENDPOINT names another hub,
    HF_TOKEN is for what is not public. Nothing else here downloads anything.

    Ends with 0 when all is there and whole, 1 when something failed, 2 for a model or an option
    that does not exist, and 130 after Ctrl-C.
    """

    model_config = SettingsConfigDict(cli_prog_name="server.py fetch")

    names: CliPositionalArg[list[str]] = Field(
        ["soprano"], min_length=1, description="which models, and behind piper which voices"
    )
    revision: str | None = Field(
        None,
        min_length=1,
        description="a branch, a tag or a commit; without it the commit that is there already,"
        " or else main's",
    )


class CheckSettings(SpeechSettings):
    """Say what devices, engines, models and voices there are, and what the server would use with
    these options. Models are read, as for speaking. Ends with 1 where the server could not start.

    python server.py check
    python server.py check --engine soprano --device cuda
    """

    model_config = SettingsConfigDict(cli_prog_name="server.py check")
