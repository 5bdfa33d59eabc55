"""LaTeX: simple formulas in words, large ones as such, and money as money."""

from __future__ import annotations

import pytest

from tests.text.markup.reading import readings_of

FORMULAS = {
    "So $x$ and $$\\frac{1}{2}$$.": "So x and 1 over 2.",
    "$\\frac{x^2}{2}$": "x squared over 2",
    "$E = mc^2$, then": "E equals m c squared, then",
    "\\(a+b\\) and \\[ a - b \\]": "a plus b and a minus b",
    "$x_1 + x_n^{3}$": "x sub 1 plus x sub n cubed",
    "$\\sqrt{2}$ and $\\sqrt[3]{x}$": "the square root of 2 and the cube root of x",
    "$a \\le b \\neq c$": "a is less than or equal to b is not equal to c",
    "$\\sum_{i=1}^{n} i$": "the sum from i equals 1 to n of i",
    "$\\int_0^1 x dx$": "the integral from 0 to 1 of x d x",
    "$\\lim_{x \\to 0} f(x)$": "the limit as x to 0 of f x",
    "an $n$-gon, $\\alpha$-helix": "an n-gon, alpha-helix",
    "$90^\\circ$ and $2^{10}$": "90 degrees and 2 to the 10",
    "$x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$": (
        "x equals minus b plus or minus the square root of b squared minus 4 a c over 2 a"
    ),
    "$\\text{speed} = 5$": "speed equals 5",
    "$\\sin x$ or $sin(x)$": "sine x or sin x",
    "It is \\boxed{42}.": "It is 42.",
    "H$_2$O and x$^2$": "H 2 O and x squared",
    "$H_2O$, $C_6H_{12}O_6$, \\ce{CO2}": "H 2 O, C 6 H 12 O 6, CO2",
    "$\\begin{pmatrix}1&2\\end{pmatrix}$ is": "a formula is",
    "\\alpha and \\frac{1}{2}": "alpha and 1 over 2",
    "$\\unknowncommand{x}$": "a formula",
    "$" + "+".join("abcdefghijklmnopq") + "$": "a formula",
    "$$\n" + "a &= b \\\\ " * 40 + "\n$$\nDone": "a formula|Done",
    "\\[ " + "x^2 + " * 60 + "1 \\] Done": "a formula Done",
    "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}\nDone": "a formula|Done",
}

MONEY = {
    "$5": "$5",
    "$5 and $10": "$5 and $10",
    "It is $5. And $5.3 billion, US$10 or R$ 3": "It is $5. And $5.3 billion, US$10 or R$ 3",
    "$5-$10 or ($5) for $1,000.50 a day": "$5-$10 or ($5) for $1,000.50 a day",
    "$HOME and $PATH": "$HOME and $PATH",
    "5$ and 6$": "5$ and 6$",
    "make $$ fast, $$ now": "make fast, now",
    "$$$": "$$$",
}

COMMANDS = {
    "\\section{Intro}\nText": "Intro|Text",
    "\\textbf{Bold} and \\emph{more}": "Bold and more",
    "\\begin{itemize}\\item One\\item Two\\end{itemize}": "|One|Two",
    "See \\cite{a} and \\ref{b}.": "See and .",
    "C:\\Users\\times and \\n": "C:\\Users\\times and \\n",
}


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_said_in_words(text: str) -> None:
    assert readings_of(text) == {FORMULAS[text]}


@pytest.mark.parametrize("text", MONEY)
def test_a_dollar_sign_is_mostly_money(text: str) -> None:
    assert readings_of(text) == {MONEY[text]}


@pytest.mark.parametrize("text", COMMANDS)
def test_commands_are_silent(text: str) -> None:
    assert readings_of(text) == {COMMANDS[text]}
