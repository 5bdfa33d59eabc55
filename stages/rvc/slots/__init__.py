"""Conversion in slots, for GPUs: everything of a block is tensors that are indexed by slot, in one
steady shape for any mix of positions, so that a block of many streams is two CUDA graphs.

    plan.py       the host's side of one stream, and the shape
    listening.py  speech to content features, pitch and loudness: graph A
    index.py      features drawn to a voice's index
    speaking.py   these to sound at 48 kHz: graph B
    converter.py  slots, and all of it for a batch

On a CPU, and for what these do not take, `streaming.py` and `conversion.py` do the same.
"""
