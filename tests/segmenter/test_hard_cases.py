"""Where a reader sees a boundary and where none: the hard cases, each with three token splits.

A case is written as its segments, with ``|`` at each cut."""

from __future__ import annotations

import pytest

from stages.segmenter import SegmenterOptions
from tests.segmenter.cutting import SPLITS, segments_of, sources_of

CASES = {
    "plain sentences": [
        "Hello world!| How are you?",
        "One.| Two.| Three.",
        "Dogs bark;| cats do not.",
        "First,| second;| third.",
        "No punctuation at all",
        "A last sentence without a follower.",
    ],
    "titles": [
        "Dr. Smith and Mr. and Mrs. Jones left.| Prof. Lee stayed.",
        "Gen. Lee met Sen. Wu.| They spoke.",
        "I saw Dr. Who on Mt. Everest.",
        '"Dr. Smith?|"',
        "(Mr. Jones) left.",
        "**Dr. Smith** left.",
        "'Dr. Smith left.|' So did I.",
    ],
    "abbreviations": [
        "St. John St. is long.| He lives on Main St.| The house is old.",
        "Acme Inc. said so.| I work at Acme Inc.| They pay well.",
        "Acme Inc.,| a firm,| grew.",
        "Use fruit,| e.g. Apples or i.e. this.",
        "Cats vs. Dogs.| See Smith et al. found it.| Smith et al. (2003) did.",
        "Apples,| pears,| etc.| They are good.| Apples etc. are good.",
        "See Fig. 2.1 and Fig. 3.| Then p. 55 and pp. 5 and Vol. II and Sec. B there.",
        "It is on the last p.| In the end.",
        "See Fig. (left) and Fig. #a there.",
        "No. 4 is here.| No.| I will not.| The answer is no.| Ask.",
        "In Jan. 2020 and on Sat. Jan. 5 it rained.| It was in Jan.| The sun sat.| Then it rose.",
        "It is 5 ft. tall.| It is 6 ft.| That is all.",
        "Acme Inc.|\nBananas on p.|\n5 apples",
        "Acme Inc. (The firm) is No. (4) here.",
        "Er kam z.B. gestern.| Das ist ca. 5 km bzw. 3 Meilen weit.",
        "It is 5 in. wide.| Come in.| It took 3 min. more.",
    ],
    "abbreviations of other languages": [
        "Er wohnt in der Hauptstr. 5 dort.| Das war 5 v. Chr. so.| Sie ist geb. Müller.",
        "C'est p. ex. bien.| Le Pr. Martin et Mgr. Dupont.| Voir art. 5 ici.",
        "Es p. ej. bueno.| En EE. UU. son.| Ver cap. 3 ahí.| Dña. Ana y el Gral. Ruiz.",
        "Il sig. Rossi e il dott. Verdi.| È ad es. bene.| Vedi pag. 5 qui.",
        "O séc. XX foi.| A Av. Brasil está.| A Profa. Silva.",
    ],
    "ordinals": [
        "Er kam am 3. Mai an.| Der 1. Platz im 2. Weltkrieg.| Ludwig XIV. war König.",
        "Det skjedde 3. mai.| I am 5.| You are 6.| It was 3.| May came.",
    ],
    "signs of mathematics": [
        "If a != b stop.| So n! = 6.| Ask x!| Then go.",
    ],
    "initialisms and single letters": [
        "The U.S. Government met.| They live in the U.S.| How is it?",
        "The U.S.'s law,| the U.S.-led force.",
        "A Ph.D. student.| She has a Ph.D.| She left.",
        "By A. J. Rivera and J.R.R. Tolkien.",
        "It was you and I.| Did you know?",
        "John F. Kennedy and Malcolm X.| He spoke.",
        "Plan B.| It works.| Plan B. Smith.",
        "In the U.S.| A new law.| By U.S. A. Smith",
        "In the U.S.|” The end.",
        "AT&T.| Shares rose.",
        "I like C++.| It is fast.",
    ],
    "times": [
        "At 5 a.m. Mr. Smith left.| It is 3:22 p.m. now.",
        "We met at 5 p.m.| The end.| From 5 p.m. to 6 p.m.",
        "At 5 p.m. 20 people came.",
        "Llega a las 5 p. m. o a las 6 a. m.,| creo.",
        "He left at 6 P.M.| Mr. Smith stayed until 6 p.m. Eastern time.",
    ],
    "numbers": [
        "Pi is 3.14159.| It costs $29.95,| or 1,234,567 or 12.5%.| Or 1.23e4.",
        "On 2024-04-15 call 123-456-7890.| Done",
        "Jan 1,| 1980.| The end.| The score was 3.| Next",
        "It is .5 or 0.5,| yes.",
        "One in 1,| 2,| and 3.",
        'He said "3,|" and left.',
        "f(1,x) is 2",
        "He counted 1,| 2.| Then",
        "(see 3.|) Then",
    ],
    "technical words": [
        "See https://example.com:8080/a?b=1,2&c=d;e!f.| Next",
        "Is it https://a.b/c?| Yes,| https://a.b/c,| so.",
        "Go to www.example.org/a?b.| Or example.org/x?y=1!| So",
        "Write to me+tag@mail.ex.co.uk.| Thanks",
        "Ask me@ex.org;| now",
        "It is 192.168.0.1.| The path is ./a/b.txt,| or ../c.d.",
        "Use v1.0.0-beta.1.| Then Node.js and README.md.| End",
        "[My text](https://a.b/c?d=1,2).| Then [x](/y?z=1;2)!",
        "Mail me@ex.org!| Or see (https://a.b/c).| Or **https://a.b/c**.| So",
        "看https://a.b/c?d=1。|然后，|好。",
        "Set self.x = foo._bar.| Done",
    ],
    "clusters": [
        "Well...| I see…| Yes.",
        "... and so it goes.",
        "Wait?|! Next.| Really!|!! Yes?|?! No.",
        "He...he said Wait…what.",
        "我…|我不知道……|好。",
    ],
    "quotes and brackets": [
        'He said "go.|" Then "Wait?|!" Next.',
        "(Really.|) So “it is.|” “Yes.”",
        "'Go.' he said.| 'Go.|' He said.",
        '"Go." she said.| "Go.|" She left.',
        "It went (on its own.) to a park.",
        "„Geh.“ sagte er.| „Geh.|“ Er ging.",
        '"Go!|"',
        "**Bold!|** and **bold.|** and *it.|* Next `code.|` Then",
        "Found in 1980.|[1] The end.",
        "Great.|🎉 Next",
        "Over.|— So it is.",
    ],
    "lists": [
        "1. First item|\n2. Second item|\n10. Tenth",
        "a. First|\nb. Second|\n• third|\n1) fourth|\nii. fifth",
        "Well,| steps: 1. Mix it.| 2. Bake it.",
        "> 1. Quoted|\n**2. Bold**",
        "**1.** First|\n**2.** Second",
        "1.First|\n2.Second",
        "It was 1980.| 1980.| The year",
    ],
    "no space after a stop": [
        "one.|Sentence two.|The end",
        "It works.|It's fine",
        "Node.js,| example.Com and System.Out.print.",
        "end.|你好",
    ],
    "CJK and mixed text": [
        "你好。|我是小明，|你好！|Hello，|world.| 再见；|好、|吗？",
        "مرحبا،| كيف حالك؟| नमस्ते।| ठीक",
    ],
    "marks of other scripts": [
        "Ինչպե՞ս ես։| Սա թեստ է։| 123",
        "መጽሐፉ ተጠናቋል።| ነገር ግን አለ።| ተመልከት፣| ሁኔታው፤| እሺ፧| አዎ",
        "မင်္ဂလာပါ။| နေကောင်းလား။",
        "សួស្តី។| សុខ",
        "བཀྲ་ཤིས།| བདེ་ལེགས།",
        "Hello‼| What⁉| Yes⁇| No⁈| ok",
        "Hello．|World．|３．１４ is pi．",
        "Τι κάνεις\u037e| Καλά",
    ],
    "format characters": [
        "wait.|\u200b Next one.",
        "שלום.|\u200f מה נשמע.|\u200f טוב",
        "End.|\u2060 Next.|\ufeff Now",
        "3.\u200b14 is pi",
    ],
    "spaced ellipses": [
        "See . . .| what I mean.| [...] So [...] it is.",
        "He left .| '... and came back.",
        "It was [. . .] so.| The end . . . .| Next",
    ],
    "emoji": [
        "🎉🎉! 👍🏽",
        "Great 🎉!| 👨‍👩‍👧‍👦! And so.",
    ],
    "thoughts and code": [
        "<think>Let me. See! Yes?</think>Hello.| World",
        "Hi.|\n<thinking>Well. No.</thinking> You!|\n <THINK>a!</Think>So,| yes.",
        "In the U.S.|\n<think>Hm. </think> How",
        "Write <think> first.| Then go.| Use `<think>`.| Yes",
        "A stray end.|</think> Hi.| So",
        "<think>never. closed! at all",
        "3 < 5 is it?| a <b.| Is <thing.| So",
        "See:|\n```py\nprint('a. b! c')\n```\nDone.| Go on",
        "Use ```a.b``` now.| Go",
    ],
    "white space": ["   \n ", "Hello.| \n\n ", "\n\nHello.|\n\nWorld."],
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{kind}: {case}") for kind in CASES for case in CASES[kind]]
)
def test_a_reader_would_cut_here(case: str) -> None:
    expected = [part for part in case.split("|") if part]
    for split in SPLITS:
        assert sources_of(split("".join(expected))) == expected, split.__name__


@pytest.mark.parametrize(
    "case",
    [
        "First, second; third.| Next，再见、好。|Well.",
        "Well... maybe not.| Hm...| Yes…| So",
        "Wait... ",
        "On Jan 1, 1980.| The end!",
    ],
)
def test_only_sentence_ends_count_in_sentence_mode(case: str) -> None:
    expected = case.split("|")
    for split in SPLITS:
        assert sources_of(split("".join(expected)), "sentence") == expected, split.__name__


def test_a_text_over_the_limit_is_cut_at_its_last_white_space() -> None:
    words = " ".join(["word"] * 60)
    assert sources_of([words]) == [words[:199], words[199:]]
    assert words[199] == " "
    assert sources_of(["x" * 200 + " y"]) == ["x" * 200, " y"]
    assert sources_of(["x" * 200]) == ["x" * 200]
    assert sources_of(["a " + "x" * 200 + "y"]) == ["a", " ", "x" * 200, "y"]
    assert sources_of(["\n\n\n" + "x" * 200]) == ["\n\n\n", "x" * 200]


def test_what_the_limit_leaves_over_can_still_end_in_a_mark() -> None:
    begin = "word " * 38
    assert sources_of([begin + "watermelon! So"]) == [begin[:-1], " watermelon!", " So"]


def test_a_text_without_white_space_is_cut_at_the_limit_between_graphemes() -> None:
    assert sources_of(["x" * 450]) == ["x" * 200, "x" * 200, "x" * 50]
    assert sources_of(["x" * 199 + "e\u0301" + "x"]) == ["x" * 199, "e\u0301x"]
    family = "👨‍👩‍👧‍👦"
    assert sources_of(["x" * 195 + family + "x"]) == ["x" * 195, family + "x"]


def test_only_a_grapheme_longer_than_a_segment_is_cut() -> None:
    zalgo = "e" + "\u0301" * 300
    assert sources_of(["x" + zalgo]) == ["x", zalgo[:200], zalgo[200:]]


def test_the_limit_beats_a_mark_that_waits() -> None:
    """It waits for the word behind it, and the segment is full before that is over."""
    text = "x" * 190 + " U.S. Hippopotamus"
    assert sources_of([text]) == ["x" * 190 + " U.S.", " Hippopotamus"]


def test_an_address_that_the_limit_cuts_stays_an_address() -> None:
    address = "https://a.b/" + "c" * 300 + "?d=1,e;f!g"
    whole = SegmenterOptions(urls="all")
    sources = [segment.source for segment in segments_of([address], options=whole)]
    assert sources == [address[:200], address[200:]]
    hosts = segments_of([address])
    assert [segment.spoken for segment in hosts] == ["a.b", ""]
    assert "".join(segment.source for segment in hosts) == address


def test_an_address_is_not_torn_where_its_silent_part_passes_the_limit() -> None:
    words = "word " * 30
    assert sources_of([words + "https://a.b/" + "c" * 80]) == [
        words[:-1],
        " https://a.b/" + "c" * 80,
    ]


def test_what_stands_for_other_words_is_not_cut_at_the_limit() -> None:
    segments = segments_of(["x" * 197 + "$x^2$ is"])
    assert [segment.spoken for segment in segments] == ["x" * 197, "x squared is"]


def test_a_long_thought_fills_silent_segments() -> None:
    text = "Hello\n<think>" + "so. it, goes! " * 60 + "</think>\nWorld."
    segments = segments_of([text])
    assert [segment.spoken for segment in segments if segment.spoken] == ["Hello,", "World."]
    assert all(len(segment.source) <= 200 for segment in segments)


def test_a_sentence_behind_long_code_is_not_cut_for_its_length() -> None:
    """Code of 190 characters left 10 for the sentence behind it, which was torn apart."""
    code = "```\n" + "x" * 180 + "\n```"
    sentence = "\nThis is a sentence of more than a few words."
    assert sources_of([code + sentence]) == [code, sentence]
