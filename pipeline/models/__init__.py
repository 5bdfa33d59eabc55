"""Models on disk: which there are, where they lie, and how they are fetched whole."""
