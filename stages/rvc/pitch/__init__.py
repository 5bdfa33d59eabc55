"""The pitch of speech, a value for every 10 ms, by one of several methods.

``estimator.py`` has their interface, `choosing.py` chooses one, and ``scale.py`` turns their hertz
into a voice's input. No method is imported before it is chosen.
"""
