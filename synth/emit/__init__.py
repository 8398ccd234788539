"""Write what goes beside a profile: for people, for Compose, for our own commands."""
