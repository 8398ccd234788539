"""Hold the engines' default profiles by version, in the project's own format."""
