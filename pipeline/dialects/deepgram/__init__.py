"""Deepgram's Speak protocol: version 1 over a WebSocket and over HTTP, version 2 ("Flux") over a
WebSocket.

    asked.py      what a URL asks for
    told.py       the messages that both versions share
    speak_v1.py   Speak, Flush, Clear, Close
    speak_v2.py   turns, which Interrupt cuts off
    over_http.py  a text in a request, its speech in the answer

There are no contexts: a socket is one conversation.
"""
