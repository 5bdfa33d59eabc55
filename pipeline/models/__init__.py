"""Models on disk: their sources, their folders, and how they are fetched."""
