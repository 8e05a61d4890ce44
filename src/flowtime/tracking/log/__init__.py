"""The event log: segments that survive a kill, and everything that writes and reads them."""
