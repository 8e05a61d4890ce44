"""Who writes a run, whether it is alive, and what is told of it while it is."""
