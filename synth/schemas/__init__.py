"""Hold the JSON Schemas of every file format, one file per published version."""
