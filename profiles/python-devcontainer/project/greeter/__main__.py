"""Greet whoever is named on the command line."""

import sys

from greeter import greet

for name in sys.argv[1:]:
    print(greet(name))
