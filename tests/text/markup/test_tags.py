"""Tags are silent; some end a line, some ask for a pause, and some are none."""

from __future__ import annotations

import pytest

from tests.text.markup.reading import readings_of

TAGS = {
    "<b>Bold</b> and <i class='x'>italic</i>": "Bold and italic",
    "H<sub>2</sub>O and un<em>believ</em>able": "H2O and unbelievable",
    '<a href="https://a.b/c?d=1" target=_blank>here</a>.': "here.",
    "<a href=https://a.b/c?d=1>here</a><br clear=all/>.": "here|.",
    "<speak><s>One.</s><s>Two.</s></speak>": "|One.|Two.||",
    "It was <s>old</s> new": "It was old new",
    "One<br>two<br/>three<BR />four": "One|two|three|four",
    "<p>One.</p><p>Two</p>": "|One.||Two|",
    "<ul><li>a</li><li>b</li></ul>": "||a||b||",
    "<h1>Title</h1>Text": "|Title|Text",
    "<tr><td>Ann</td><td>5</td></tr>": "|Ann,5,|",
    "<img src='a.png' alt='a cat'> sleeps": "a cat sleeps",
    '<img src="data:' + "A" * 400 + '" alt="x"/>Text': "Text",
    '<speak><prosody rate="slow">Hello</prosody></speak>': "|Hello|",
    '<speed ratio="1.05"/>Hello': "Hello",
    "<custom>Hello</custom>": "Hello",
    "Well <laugh> so<giggle/>": "Well so",
    "<!DOCTYPE html><?xml version='1.0'?>Text": "Text",
    "<![CDATA[Text]]>": "Text",
    "[b]Bold[/b] and [url=https://a.b]text[/url]": "Bold and text",
    # of chat templates
    "<|im_start|>assistant\nHello<|im_end|>": "|Hello",
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>": "||Hello",
    "<s>[INST] Hi [/INST] Hello</s>": "Hi Hello",
    "<start_of_turn>model\nHello<end_of_turn>": "|Hello",
    "<｜begin▁of▁sentence｜>Hello<｜end▁of▁sentence｜>": "Hello",
    "<<SYS>>Hi<</SYS>>": "Hi",
    "Hello<|endoftext|>": "Hello",
    # of Discord and Slack
    "Hello <@123456>, see <#123|general> <:smile:123>": "Hello , see",
    "Well :smile: then": "Well then",
    "at 10:30:45 or a:b:c": "at 10:30:45 or a:b:c",
}

PAUSES = {
    'Wait <break time="500ms"/>now': "Wait|0.5s|now",
    "Wait <break time='1.5s'> now": "Wait|1.5s|now",
    "Wait <break strength='strong'/>now": "Wait|0.7s|now",
    "Wait <break/>now": "Wait|0.4s|now",
    "Wait <break time='90s'/>now": "Wait|10s|now",
    "Wait <break time='0ms'/>now": "Wait|now",
    "Wait <#0.5#> now": "Wait|0.5s|now",
    "Wait [pause] now [pause 2s] or [long pause] so": "Wait|0.4s|now|2s|or|1s|so",
    "Wait [pause: 500ms] now": "Wait|0.5s|now",
}

ENTITIES = {
    "Fish &amp; chips": "Fish & chips",
    "&lt;b&gt; &quot;is&quot; it&#39;s &#x41;": '<b> "is" it\'s A',
    "a&nbsp;b &copy; 2024": "a b © 2024",
    "AT&T & co; &unknown; &": "AT&T & co; &unknown; &",
    "R&D; x &am": "R&D; x &am",
}

NONE = {
    "a < b and c > d": "a < b and c > d",
    "3 <5 and x<y or <3": "3 <5 and x<y or <3",
    "List<String> and Map<K, V>": "List<String> and Map<K, V>",
    "if a <b and c> d": "if a b and c d",
    "Dear <your name>, <NAME>": "Dear your name, NAME",
    "<thing. So": "<thing. So",
    "<": "<",
    "a <b": "a <b",
    "<b": "<b",
}


@pytest.mark.parametrize("text", TAGS)
def test_tags_are_silent(text: str) -> None:
    assert readings_of(text) == {TAGS[text]}


@pytest.mark.parametrize("text", PAUSES)
def test_a_tag_can_ask_for_a_pause(text: str) -> None:
    assert readings_of(text) == {PAUSES[text]}


@pytest.mark.parametrize("text", ENTITIES)
def test_entities_are_the_characters_that_they_stand_for(text: str) -> None:
    """They were cut at their semicolon."""
    assert readings_of(text) == {ENTITIES[text]}


@pytest.mark.parametrize("text", NONE)
def test_what_only_looks_like_a_tag_is_spoken(text: str) -> None:
    assert readings_of(text) == {NONE[text]}
