"""The RVC stage. File names stand here, where no torch is imported."""

ENGINE = "rvc"
HUBERT_FILE = "hubert_base.pt"
"""The content model in fairseq's format, as RVC publishes it."""
RMVPE_FILE = "rmvpe.pt"
"""The neural network that finds pitch."""
UPLOADED = "uploaded"
"""The folder in one of voices where clients' uploads are."""
