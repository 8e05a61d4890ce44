"""Read a capture back, and compare it with its run."""

import flowtime

capture = flowtime.open_capture("captures/gapped")  # every checksum is checked
print(capture.series("Shop", "arrivals"))
print([(record.kind, record.node_id, record.bins) for record in capture.manifest.injections])

report = flowtime.diff("runs/monday", capture, rtol=0.0, atol=0.0)
print([(row.subject, row.metric, row.differing, row.unexplained) for row in report.rows if not row.within])
