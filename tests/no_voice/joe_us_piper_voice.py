"""In the place of the package with a human voice, for programs that tests start: a module, which
has no folder to search. See conftest.py."""
