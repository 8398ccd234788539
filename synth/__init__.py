"""Turn recordings into profiles: files in, files out, no privileges, no engine."""

__version__ = "0.1.0"
