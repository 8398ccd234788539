"""Parts of ``scripts/benchmark``."""
