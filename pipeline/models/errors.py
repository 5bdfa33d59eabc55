"""What can go wrong with the models that are fetched."""


class StoreError(Exception):
    """A model cannot be fetched or used: one line for the person who asked for it."""
