"""Put the parts together for a person at a terminal: the only place that prints and exits."""
