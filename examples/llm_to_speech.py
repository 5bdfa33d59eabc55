"""A pipe that speaks a language model's text while it is being written: text in, bare PCM out.

    pip install websockets
    ollama run llama3.2 "Tell me a story." | python examples/llm_to_speech.py | \\
        aplay -q -f S16_LE -r 48000

or, at the end of the pipe: ffplay -nodisp -autoexit -f s16le -ar 48000 -i -
"""

from __future__ import annotations

import argparse
import codecs
import json
import os
import sys
import threading
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect


def send_tokens(ws: ClientConnection) -> None:
    """Hand standard input on as it arrives: the server finds the sentences in it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while data := os.read(sys.stdin.fileno(), 4096):
            if token := decoder.decode(data):
                ws.send(json.dumps({"token": token}))
        ws.send(json.dumps({"flush": True}))
    except ConnectionClosed:
        pass  # which `play` will notice, too


def play(ws: ClientConnection) -> None:
    """Write the sound to standard output, until all has been said."""
    for message in ws:
        if isinstance(message, bytes):
            sys.stdout.buffer.write(message)
            sys.stdout.buffer.flush()
            continue
        event = json.loads(message)
        if "error" in event:
            print(event["error"], file=sys.stderr)
        elif event["event"] == "flushed":
            return
    sys.exit("the server closed before it had said everything")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Speak standard input as it arrives.")
    parser.add_argument("--url", default="ws://localhost:8765/ws/stream")
    parser.add_argument("--voice", help="a name from /api/voices")
    parser.add_argument("--key", help="for a server that asks for one")
    options = parser.parse_args()
    url = options.url
    config = {"encoding": "s16le", "events": "true"}
    if options.voice:
        config["voice"] = options.voice
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    try:
        # The player takes its time, and we read no faster than it: the answer to a ping of ours
        # would come late, behind sound that waits.
        connection = connect(
            f"{url}?{urlencode(config)}", additional_headers=headers, ping_interval=None
        )
    except (OSError, InvalidHandshake) as error:
        sys.exit(f"cannot connect to {url}: {error}")
    with connection:
        threading.Thread(target=send_tokens, args=[connection], daemon=True).start()
        try:
            play(connection)
        except BrokenPipeError:  # the player has been closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            sys.exit(130)
