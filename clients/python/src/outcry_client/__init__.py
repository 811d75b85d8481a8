"""Client of the Outcry trading platform and consumer of its events."""
