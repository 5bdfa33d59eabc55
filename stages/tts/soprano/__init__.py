"""Soprano TTS: text to hidden states by a small language model, and those to 32 kHz sound.

``engine.py`` is what the executor drives; ``text.py``, ``language_model.py`` and ``decoder.py`` are
what it is made of, in the order of the data. ``checkpoint.py`` reads a model's directory.
"""

FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
    "decoder.pth",
)
"""The files of a model's directory, all of them needed; here, where no torch is imported."""
