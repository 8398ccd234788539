"""Bounds."""


def print_bounds(*, quick: bool) -> None:
    """Print."""
