"""Errors carry codes, places and hints; match the codes, never the texts."""

import flowtime

try:
    flowtime.load_model("wrong.yaml")
except flowtime.FlowtimeError as error:
    for fault in error.faults:
        print(fault.code, fault.line, fault.column, fault.path)

compiled = flowtime.compile("hand_written.yaml")
try:
    compiled.evaluate({"capacty": 3})
except flowtime.FlowtimeError as error:
    print(error)
