"""Blocks that are not spoken, and what only looks like one."""

from __future__ import annotations

import pytest

from stages.text.markup import MarkupOptions
from tests.text.markup.reading import readings_of

FENCES = {
    "```py\nx = 1.\n```\nDone": "||Done",
    "```\nx\n``` \nDone": "||Done",
    "````md\n```py\nx\n```\n````\nDone": "||Done",
    "~~~python\n```\n~~~\nDone": "||Done",
    "```\n~~~\n```\nDone": "||Done",
    "```\na = '```'\n```\nDone": "||Done",
    "Text\n```\nx\n```": "Text||",
    "> ```\n> x\n> ```\n> Done": "||Done",
    "- ```js\n  a();\n  ```\n- Done": "||Done",
    "1. Install:\n\n    ```\n    x\n    ```\n2. Run": "1. Install:||||2. Run",
    '```py title="' + "x" * 60 + '"\ny\n```\nDone': "||Done",
    "```" + "x" * 300 + "\ny\n```\nDone": "||Done",
    "**Code:** ```py\nx\n```\n\nThe rest": "Code:|||The rest",
    "Here: ```\nx\n```\nDone": "Here:||Done",
    "Use ```\nx``` here": "Use|here",
    "```\nnever closed. x": "|",
    "```\nx\n    ```\nstill code\n```\nDone": "||Done",
    "```py\r\nx\r\n```\r\nDone": "||Done",
    "```py\nx\n``` That is it": "|That is it",
    "```py\nx\n```**Next** step": "|Next step",
    "```md\n```py\nx\n```\nDone": "||Done",
    "~~~ Title ~~~\nText": "Title|Text",
    # what a sentence mentions opens nothing
    "A fence is ``` like this. Yes": "A fence is like this. Yes",
    '"```" begins code. Yes.': '"" begins code. Yes.',
}

CODE = {
    "Run `make test` now": "Run make test now",
    "``a ` b`` and `c`": "a ` b and c",
    "`**raw** <b> $x$ [1]`": "**raw** <b> $x$ [1]",
    "Use ```x``` here": "Use x here",
    "```make``` it": "make it",
    "don`t do it": "dont do it",
    "`open, **bold**\n**bold**": "open, **bold** bold",
    "使用`git`命令": "使用git命令",
    "`" * 50: "|",
}

HARMONY = "<|channel|>analysis<|message|>Hm"

THOUGHTS = {
    "<think>Hm. x</think>Yes": "|Yes",
    "<THINKING>Hm</Thinking>Yes": "|Yes",
    "<think >Hm</think >Yes": "|Yes",
    "<thought>Hm</thought>Yes": "|Yes",
    "<reasoning>Hm</reasoning>Yes": "|Yes",
    '<thinking budget="9">Hm</thinking>Yes': "|Yes",
    "<scratchpad>Hm</scratchpad>Yes": "|Yes",
    "<reflection>Hm</reflection>Yes": "|Yes",
    "<seed:think>Hm</seed:think>Yes": "|Yes",
    "<antThinking>Hm</antThinking>Yes": "|Yes",
    "[THINK]Hm[/THINK]Yes": "|Yes",
    "◁think▷Hm◁/think▷Yes": "|Yes",
    "<|begin_of_thought|>Hm<|end_of_thought|>Yes": "|Yes",
    "<|START_THINKING|>Hm<|END_THINKING|>Yes": "|Yes",
    "<unused94>thought\nHm<unused95>Yes": "|Yes",
    f"{HARMONY}<|end|><|start|>assistant<|channel|>final<|message|>Yes": "|Yes",
    f"{HARMONY}<|channel|>final<|message|>Yes": "|Yes",
    "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>Yes": "|Yes",
    "\n\n<think>\nHm\n</think>\n\nYes": "|||||Yes",
    "Yes\n<think>Hm</think>\nNo": "Yes|||No",
    "> <think>Hm</think>Yes": "|Yes",
    "<think>Hm</think><think>Hm</think>Yes": "||Yes",
    "<think>a </thinking> b": "|b",
    "<think>never closed": "|",
    "<think>`</think>` ends it</think>Yes": "|Yes",
    "<think>Use `x`</think>Yes": "|Yes",
    "a stray </think>end": "a stray end",
    # no thought: behind words, in quotes, in code
    "Models write <think> first": "Models write first",
    "Yes [THINK] no": "Yes no",
    "Use `<think>` here": "Use <think> here",
    "**<think>** is a tag": "is a tag",
    "# The tag\n## <think>\nText": "The tag||Text",
    "`<think>` is a tag": "<think> is a tag",
    '"<think>" is a tag': '" " is a tag',
    "```\n<think>\n```\nYes": "||Yes",
    "I <thinkers> of": "I of",
    "[thinking about it] yes": "thinking about it yes",
    "[Analysis] The market": "Analysis The market",
}

OTHERS = {
    "<!-- hidden. x -->Shown": "Shown",
    "<!-- a -- b > c -->Shown": "Shown",
    "<script>x = '</b>';</script>Shown": "|Shown",
    "<style type='text/css'>b { }</style>Shown": "|Shown",
    "<pre><code>x</code></pre>Shown": "|Shown",
    "<svg width='1'><path d='M0 0'/></svg>Shown": "|Shown",
    '<tool_call>{"name": "f"}</tool_call>Shown': "|Shown",
    "<｜tool▁calls▁begin｜>f<｜tool▁calls▁end｜>Shown": "|Shown",
    "<minimax:tool_call>f</minimax:tool_call>Shown": "|Shown",
    '<invoke name="f"><parameter name="x">y</parameter></invoke>Shown': "|Shown",
    '<function=f>{"x": 1}</function>Shown': "|Shown",
    "<|python_tag|>f(x)<|eom_id|>Shown": "|Shown",
    '[TOOL_CALLS] [{"name": "f"}]': "|",
    '<details type="reasoning" done="true">\n> Hm\n</details>\nShown': "||Shown",
    "<details><summary>More</summary>Shown</details>": "||More|Shown|",
    "<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>です": "漢字です",
    "<ruby>漢<rt>かん</ruby>です": "漢です",
}


@pytest.mark.parametrize("text", FENCES)
def test_fenced_code_is_not_spoken_and_what_follows_is(text: str) -> None:
    """A fence behind other text had its code spoken, and silenced the rest of the reply."""
    assert readings_of(text) == {FENCES[text]}


@pytest.mark.parametrize("text", CODE)
def test_code_in_a_line_is_spoken_as_it_stands(text: str) -> None:
    assert readings_of(text) == {CODE[text]}


@pytest.mark.parametrize("text", THOUGHTS)
def test_thoughts_are_not_spoken_where_a_line_begins(text: str) -> None:
    """A tag in a sentence or in backticks silenced the rest, and other names were read aloud."""
    assert readings_of(text) == {THOUGHTS[text]}


@pytest.mark.parametrize("text", OTHERS)
def test_other_blocks_are_not_spoken(text: str) -> None:
    assert readings_of(text) == {OTHERS[text]}


def test_thoughts_are_silent_also_where_markup_is_spoken() -> None:
    text = "<think>Hm</think>*Yes*"
    assert readings_of(text, MarkupOptions(skip_markdown=False)) == {"|*Yes*"}
    assert readings_of(text, MarkupOptions(skip_thinking=False)) == {"HmYes"}
