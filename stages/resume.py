"""What a listener has of an utterance already, from a connection that was lost."""

from __future__ import annotations

from dataclasses import dataclass

MAX_RESUME_S = 300
"""The most sound that is made and not sent. What is resumed is at most a few segments, and nothing
slows down whoever asks for sound that he is not sent."""


@dataclass(frozen=True, slots=True)
class Resume:
    """The place from which on an utterance is to be heard. It travels ahead of the first text
    through every stage."""

    samples: int = 0
    """Samples per channel, at the stream's rate and from its beginning, that are made and not
    sent."""
    heard_chars: int | None = None
    """The text comes again from the utterance's beginning, and so many characters of it are read
    and not spoken; None: it begins in mid-utterance."""
    torn_chars: int = 0
    """The length of the segment behind these, which is cut so again; 0: as its text says."""

    @property
    def has_begun(self) -> bool:
        """Whether the listener has some of the utterance."""
        return bool(self.samples or self.heard_chars)

    @property
    def borders(self) -> tuple[int, int]:
        """The places in the text where segments end, in characters from its beginning."""
        n_heard = self.heard_chars or 0
        return n_heard, n_heard + self.torn_chars


@dataclass(frozen=True, slots=True)
class Skipped:
    """Some sound that was made and is not sent: the listener has it."""

    n_samples: int
    """Samples per channel."""
