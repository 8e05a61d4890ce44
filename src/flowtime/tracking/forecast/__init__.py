"""When a run will end: guesses from its past and from its live rate, and how good they were."""
