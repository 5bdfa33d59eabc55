"""Characters whose halves come apart."""

from __future__ import annotations

from stages.intake.conversation import Conversation
from stages.items import ClientMessage, Flush, Style, Token
from stages.voices import Voice

VOICE = Voice("voice", "engine", "en", None, "", 48_000)
STYLE = Style("voice")


def said(*messages: ClientMessage) -> list[str]:
    conversation = Conversation({"voice": VOICE}, STYLE)
    items = [item for message in messages for item in conversation.take(message)]
    return [item.text if isinstance(item, Token) else "|" for item in items]


def test_halves_in_two_tokens_are_joined() -> None:
    assert said(ClientMessage("a\ud83d"), ClientMessage("\ude00 hi")) == ["a", "😀 hi"]


def test_nothing_is_said_of_half_a_character() -> None:
    assert said(ClientMessage("\ud83d"), ClientMessage("\ude00")) == ["😀"]
    assert said(ClientMessage("abc \ud83d def. ")) == ["abc  def. "]
    assert said(ClientMessage("\ude00 hi")) == [" hi"]


def test_a_flush_ends_the_wait() -> None:
    assert said(ClientMessage("a\ud83d", flush=True), ClientMessage("\ude00b")) == ["a", "|", "b"]


def test_a_change_of_style_ends_the_wait() -> None:
    assert said(ClientMessage("a\ud83d"), ClientMessage("\ude00b", pitch_shift=1.0)) == ["a", "b"]
    assert said(ClientMessage("a\ud83d"), ClientMessage("\ude00b", config={})) == ["a", "😀b"]


def test_a_cancel_ends_the_wait() -> None:
    conversation = Conversation({"voice": VOICE}, STYLE)
    conversation.take(ClientMessage("\ud83d"))
    conversation.cancel()
    assert conversation.take(ClientMessage("\ude00b")) == [Token("b", STYLE)]


def test_half_a_character_is_the_beginning_of_a_conversation() -> None:
    """As any token is: the form of the sound is settled with it."""
    conversation = Conversation({"voice": VOICE}, STYLE)
    assert conversation.take(ClientMessage("\ud83d")) == []
    assert conversation.has_begun
    assert conversation.take(ClientMessage(flush=True)) == [Flush(1)]
