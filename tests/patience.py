"""How long a test waits for what has to come."""

PATIENCE_S = 600
"""Seconds, for a machine that is slow or busy: this bound only catches what never comes."""
