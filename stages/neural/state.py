"""Streaming state: what a network keeps of each stream between two pieces of its input.

It is a dataclass that is handed in with each piece and handed back; the network itself remembers
nothing. Each row of its tensors belongs to a stream, so streams that are alike are computed
together by joining their states.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self


@dataclass(slots=True)
class StreamState:
    """A state whose fields are tensors, lists of tensors or other states, the first one a tensor.
    Each tensor has a row for each stream."""

    @classmethod
    def joined(cls, states: Sequence[Self]) -> Self:
        """The states of several streams as one. But for their rows they must agree in shape."""
        if len(states) == 1:
            return states[0]
        return cls(*_fields(lambda *parts: torch.cat(parts), *states))

    def split(self) -> list[Self]:
        """The state of each stream."""
        n_streams = len(getattr(self, fields(self)[0].name))
        return [self[row : row + 1] for row in range(n_streams)]

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(*_fields(lambda tensor: tensor[rows], self))


def _fields(function: Callable[..., torch.Tensor], *states: StreamState) -> list[Any]:
    """The fields of a state, made by a function of the tensors that these states have there."""
    made: list[Any] = []
    for field in fields(states[0]):
        values = [getattr(state, field.name) for state in states]
        if isinstance(values[0], StreamState):
            made.append(type(values[0])(*_fields(function, *values)))
        elif isinstance(values[0], list):
            made.append([function(*tensors) for tensors in zip(*values, strict=True)])
        else:
            made.append(function(*values))
    return made
