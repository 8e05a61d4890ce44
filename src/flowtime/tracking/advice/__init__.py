"""What is found in the samples of a run, and what to do about it."""
