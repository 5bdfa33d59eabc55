"""The option ``--lexicon``."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.cli.program import complaint, run, says
from tests.faults.raw_client import websocket
from tests.server_process import LOOK_EVERY_S, running_server


def test_words_are_said_as_the_file_says() -> None:
    Path("words.toml").write_text('["*"]\nNginx = "engine x"\n')
    said = says("speak", "I like nginx.", "--lexicon", "words.toml")
    assert said == says("speak", "I like engine x.")
    assert said != says("speak", "I like nginx.")


def test_sounds_are_said_by_the_built_in_engine() -> None:
    Path("words.toml").write_text('[en]\nNginx = { ipa = "pʊt" }\n', encoding="utf-8")
    assert says("speak", "nginx!", "--lexicon", "words.toml") == says("speak", "put!")


def test_a_broken_file_is_told_with_its_line() -> None:
    Path("words.toml").write_text('["*"]\nNginx = 5\n')
    told = "server.py: --lexicon: words.toml: line 2: *.Nginx: must be a text, or an object with"
    assert complaint(run("speak", "Hello!", "--lexicon", "words.toml")).startswith(told)
    checked = run("check", "--lexicon", "words.toml")
    assert checked.returncode == 1
    assert told in checked.stderr.decode()


async def test_a_server_says_what_the_file_says_now(tmp_path: Path) -> None:
    path = trio.Path(tmp_path / "words.toml")
    await path.write_text('["*"]\nNginx = "engine x"\n')
    with running_server("--lexicon", str(path)) as server:
        async with websocket(server.port, "events=true") as client:

            async def said() -> str:
                await client.say('{"token": "nginx", "flush": true}')
                event = await client.next_event("segment_start")
                return str(event["spoken"])

            assert await said() == "engine x"
            await path.write_text('["*"]\nNginx = 5\n')
            while "line 2: *.Nginx" not in server.log:
                await trio.sleep(LOOK_EVERY_S)
            assert await said() == "engine x"
            await path.write_text('["*"]\nNginx = "en jinx"\n')
            while (spoken := await said()) != "en jinx":
                assert spoken == "engine x"
            await client.close()


def test_check_tells_how_many_words_there_are() -> None:
    Path("words.toml").write_text('["*"]\nNginx = "engine x"\n[en]\na = "b"\n')
    assert b"lexicon\n  words.toml: 2 words\n" in run("check", "--lexicon", "words.toml").stdout
