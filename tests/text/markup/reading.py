"""Reading markup: what is spoken of a text, with a bar where a line ends."""

from __future__ import annotations

from stages.text.markup import Kind, Markup, MarkupOptions, TextPiece

_DEFAULTS = MarkupOptions()


def pieces_of(
    tokens: list[str], options: MarkupOptions = _DEFAULTS, language: str = "en"
) -> list[TextPiece]:
    """What the reader makes of a reply that comes in these tokens."""
    markup = Markup(options)
    markup.language = language
    pieces = [piece for token in tokens for piece in markup.feed(token)]
    return pieces + markup.end()


def spoken_of(tokens: list[str], options: MarkupOptions = _DEFAULTS, language: str = "en") -> str:
    """What is spoken of them, white space in order: ``|`` for the end of a line, a comma between
    two cells, and the seconds of a pause that was asked for."""
    spoken = ""
    for piece in pieces_of(tokens, options, language):
        if piece.kind is Kind.BREAK:
            spoken += f"|{piece.pause_s:g}s|" if piece.pause_s else "|"
        elif piece.kind is Kind.WHOLE:
            spoken += piece.spoken.replace("\n", ",")
        else:
            spoken += piece.spoken
    return "|".join(" ".join(part.split()) for part in spoken.split("|"))


def readings_of(text: str, options: MarkupOptions = _DEFAULTS, language: str = "en") -> set[str]:
    """What is spoken of a text that comes whole, and letter by letter: the same."""
    return {spoken_of(tokens, options, language) for tokens in ([text], list(text))}
