"""The room where speech gets its pitch and its voice."""

ENGINE = "rvc"
"""The engine's name. All here is used where no torch is imported."""
HUBERT_FILE = "hubert_base.pt"
"""The content model, which hears what is said, not who says it: fairseq's file, from RVC."""
RMVPE_FILE = "rmvpe.pt"
"""Pitch, by a neural network."""
