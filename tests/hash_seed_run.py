"""Prints the hashes of one model and of all its results: started by tests with another PYTHONHASHSEED each time.

python hash_seed_run.py MODEL
"""

from __future__ import annotations

import hashlib
import sys

from flowtime.bundle.hashes import Origin, hash_run
from flowtime.engine import Scale, compile_model, describe_plan, evaluate_many
from flowtime.model import load_model


def main(path: str) -> None:
    """Load, compile, evaluate and sweep."""
    model = load_model(path)
    compiled = compile_model(model)
    result = compiled.evaluate()
    digest = hashlib.sha256()
    for name, values in result.items():
        digest.update(name.encode() + values.tobytes())
    for node, metrics in result.metrics.items():
        for name, values in metrics.items():
            digest.update(f"{node}.{name}".encode() + values.tobytes())
    scenarios = [{name: Scale(1.0 + i / 8.0) for name in compiled.parameters} for i in range(3)]
    sweep = evaluate_many(compiled, scenarios, [*compiled.flow.names, *compiled.flow.metrics])
    parts = (
        *hash_run(model, Origin(), None),
        digest.hexdigest(),
        hashlib.sha256(sweep.values_array.tobytes()).hexdigest(),
        hashlib.sha256(describe_plan(compiled).encode()).hexdigest(),
        hashlib.sha256(repr(result.warnings).encode()).hexdigest(),
    )
    sys.stdout.write("\n".join(parts) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
