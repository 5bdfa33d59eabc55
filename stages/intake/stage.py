"""The intake: reads what a client says and hands it on, and never stops reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stages.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.intake.conversation import Conversation
    from stages.items import Answer, ClientMessage, Said, Style


class Messages(Protocol):
    """The source of a client's messages."""

    async def receive(self) -> ClientMessage | None:
        """The next message; None: the client has said all it will, speak what is there.

        Raises `ProtocolError` for a message that breaks the protocol (ask for the next one)
        and `Disconnected` where there is nobody left to speak to."""


async def take_in(
    messages: Messages,
    conversation: Conversation,
    *,
    say: Callable[[Said], None],
    answer: Callable[[Answer], None],
    expect: Callable[[Style], None],
) -> ClientMessage | None:
    """Read until the client cancels, and return that message; None: until it has ended.

    `say` is given what is to be spoken, `answer` what the client is told, and `expect` the style
    that a config makes. None of them waits for anything: a barge-in is seen whatever the stages
    and the client do meanwhile. What breaks the protocol is answered and the session lives."""
    while True:
        try:
            message = await messages.receive()
            if message is None or message.cancel:
                conversation.cancel()
                return message
            said = conversation.take(message)
        except ProtocolError as error:
            answer(error)
            continue
        if message.config is not None:
            if conversation.events:
                answer(conversation.ready)
            expect(conversation.style)
        for item in said:
            say(item)
