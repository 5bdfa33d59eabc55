"""Loads hypothesis's profile before the laws are imported."""

import property_tests.effort  # noqa: F401 - does so by being imported
