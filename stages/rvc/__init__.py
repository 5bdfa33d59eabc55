"""The room where speech gets its pitch and its voice."""

ENGINE = "rvc"
"""The engine's name. All here is used where no torch is imported."""
HUBERT_FILE = "hubert_base.pt"
"""What is said, apart from who says it: fairseq's file, as RVC publishes it."""
RMVPE_FILE = "rmvpe.pt"
"""Pitch, by a neural network."""
