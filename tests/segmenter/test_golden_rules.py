"""The golden rules of pySBD 0.3.4 (and of Ruby's pragmatic_segmenter before it), as sentences.

Ours differ in what a stream must: closing marks (`."`, `)`, a second `!`) lead the next segment,
so both are compared without them."""

from __future__ import annotations

import pytest
import regex

from tests.segmenter.cutting import segments_of

GOLDEN = {
    "stop": "Hello World.| My name is Jonas.",
    "question mark": "What is your name?| My name is Jonas.",
    "exclamation mark": "There it is!| I found it.",
    "capital initial": "My name is Jonas E. Smith.",
    "small abbreviation": "Please turn to p. 55.",
    "co. goes on": "Were Jane and co. at the party?",
    "Co. goes on": "They closed the deal with Pitt, Briggs & Co. at noon.",
    "co. ends": "Let's ask Jane and co.| They should know.",
    "Co. ends": "They closed the deal with Pitt, Briggs & Co.| It closed yesterday.",
    "Mt.": "I can see Mt. Fuji from here.",
    "St. and st.": "St. Michael's Church is on 5th st. near the light.",
    "possessive": "That is JFK Jr.'s book.",
    "U.S.A. goes on": "I visited the U.S.A. last year.",
    "E.U. ends": "I live in the E.U.| How about you?",
    "U.S. ends": "I live in the U.S.| How about you?",
    "U.S. before a capital": "I work for the U.S. Government in Virginia.",
    "U.S. goes on": "I have lived in the U.S. for 20 years.",
    "a.m. and P.M.": (
        "At 5 a.m. Mr. Smith went to the bank.| He left the bank at 6 P.M.| Mr. Smith then went to"
        " the store."
    ),
    "number goes on": "She has $100.00 in her bag.",
    "number ends": "She has $100.00.| It is in her bag.",
    "brackets": (
        "He teaches science (He previously worked for 5 years as an engineer.) at the local"
        " University."
    ),
    "e-mail": "Her email is Jane.Doe@example.com.| I sent her an email.",
    "web": (
        "The site is: https://www.example.50.com/new-site/awesome_content.html.| Please check it"
        " out."
    ),
    "single quotes": "She turned to him, 'This is great.' she said.",
    "double quotes": 'She turned to him, "This is great." she said.',
    "quotes end": 'She turned to him, "This is great."| She held the book out to show him.',
    "!!": "Hello!!| Long time no see.",
    "??": "Hello??| Who is there?",
    "!?": "Hello!?| Is that you?",
    "?!": "Hello?!| Is that you?",
    "1.)": "1.) The first item| 2.) The second item",
    "1.) and stops": "1.) The first item.| 2.) The second item.",
    "1)": "1) The first item| 2) The second item",
    "1) and stops": "1) The first item.| 2) The second item.",
    "1.": "1. The first item| 2. The second item",
    "1. and stops": "1. The first item.| 2. The second item.",
    "bullets": "• 9. The first item| • 10. The second item",
    "hyphen bullets": "⁃9. The first item| ⁃10. The second item",
    "letters": "a. The first item| b. The second item| c. The third list item",
    "N°": "You can find it at N°. 1026.253.553.| That is where the treasure is.",
    "name with a mark": "She works at Yahoo! in the accounting department.",
    "I": "We make a good team, you and I.| Did you see Albert I. Jones yesterday?",
    "ellipsis in a quote": (
        "Thoreau argues that by simplifying one’s life, “the laws of the universe will appear less"
        " complex. . . .”"
    ),
    "[...]": '"Bohr [...] used the analogy of parallel stairways [...]" (Smith 55).',
    "ellipsis ends": (
        "If words are left off at the end of a sentence, and that is all that is omitted, indicate"
        " the omission with ellipsis marks (preceded and followed by a space) and then indicate"
        " the end of the sentence with a period . . . .| Next sentence."
    ),
    "four dots": "I never meant that....| She left the store.",
    "ellipsis goes on": (
        "I wasn’t really ... well, what I mean...see . . . what I'm saying, the thing is . . . I"
        " didn’t mean it."
    ),
    "spaced four dots": (
        "One further habit which was somewhat weakened . . . was that of combining words into"
        " self-interpreting compounds.| . . . The practice was not abandoned. . . ."
    ),
}

OTHERWISE = {
    "name with a mark",  # an exclamation mark acts at once: that is the contract
    "ellipsis ends",  # over 200 characters: cut for its length
}
"""Rules that do not hold."""


def without_closing_marks(sentences: list[str]) -> list[str]:
    stripped = (regex.sub(r"^[\s\p{P}]+|[\s\p{P}]+$", "", sentence) for sentence in sentences)
    return [sentence for sentence in stripped if sentence]


@pytest.mark.parametrize("rule", GOLDEN)
def test_a_golden_rule_holds_at_every_token_size(rule: str) -> None:
    expected = GOLDEN[rule].split("|")
    text = "".join(expected)
    for size in (1, 2, 3, 4, 5, 8, 13, len(text)):
        tokens = [text[at : at + size] for at in range(0, len(text), size)]
        segments = [segment.source for segment in segments_of(tokens, "sentence")]
        holds = without_closing_marks(segments) == without_closing_marks(expected)
        assert holds == (rule not in OTHERWISE), segments
