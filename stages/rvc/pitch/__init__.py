"""The pitch of speech, a value for every 10 ms, by one of several methods.

``estimator.py`` says what each offers and `choosing.py` which one it is to be; ``scale.py`` makes
of their hertz what voices take. No method is imported before it is chosen.
"""
