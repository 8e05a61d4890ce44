"""What is told of a run, going on or ended: status, watch, summary, export, comparison."""
