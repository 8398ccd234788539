"""Make what a reviewer reads: one model of a profile and its evidence, one module per format."""
