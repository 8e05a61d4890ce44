"""What the machine and the process tree do: samples from /proc, control groups and NVML."""
