"""Conversion in slots, for GPUs: everything of a block is tensors that are indexed by slot, in one
steady shape for any mix of positions, so that a block of many streams is two CUDA graphs.

    plan.py       the host's side of one stream, and the shape
    host_pitch.py pitch by methods that run on the host, beside all of this
    listening.py  speech to content features, pitch and loudness: graph A
    polyphase.py  its resampling, as one product, which graph B uses, too
    high_pass.py  its filter, as products
    speaking.py   these to sound at 48 kHz: graph B
    networks.py   both graphs for all voices, captured when the first of a kind is loaded
    converter.py  who has which slot, and a block of many streams

On a CPU, and for what these do not take, `streaming.py` and `conversion.py` do the same.
"""
