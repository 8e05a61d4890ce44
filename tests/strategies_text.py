"""Random expressions as texts: amounts of work that follow from others.

Those of ``flow`` are never negative and scale with what they read; those of ``wild`` do as they please, but stay
within bounds and have no jump at a value that rounding could miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["LATE", "flow", "fraction", "wild"]

# Stands for a series that is drawn when all are known; it is read by DELAY and CONV alone, which may look anywhere.
LATE = "LATE"


def fraction(random: Random, least: float = 0.05, most: float = 0.95) -> str:
    """A factor below 1."""
    return f"{random.uniform(least, most):.3f}"


def flow(random: Random, known: Sequence[str], depth: int = 3) -> str:
    """An expression over known series, and over any series before this bin."""
    if depth == 0 or random.random() < 0.25:
        return random.choice(list(known))
    if random.random() < 0.3:
        return _looking_back(random, known, depth)

    def below() -> str:
        return flow(random, known, depth - 1)

    shape = random.randrange(10)
    if shape == 0:
        return f"({below()} + {below()})"
    if shape == 1:
        return f"MAX(0, {below()} - {below()})"
    if shape == 2:
        return f"MIN({below()}, {below()})"
    if shape == 3:
        return f"({below()} * {fraction(random)})"
    if shape == 4:
        return f"({fraction(random, 0.2, 1.6)} * {below()})"
    if shape == 5:
        return f"({below()} / {random.choice(('2', '2.5', '4'))})"
    if shape == 6:
        return f"MAX({below()}, {below()})"
    if shape == 7:
        return f"CLAMP({below()}, {random.choice(list(known))} * {fraction(random, 0.05, 0.3)}, {below()})"
    if shape == 8:
        return f"IF(PULSE({random.randint(1, 5)}, {random.randint(0, 3)}), {below()}, {random.choice(('0', below()))})"
    return f"MIN({below()}, {below()}, {below()})"


def _looking_back(random: Random, known: Sequence[str], depth: int) -> str:
    source = flow(random, known, depth - 1)
    shape = random.randrange(6)
    if shape == 0:
        return f"SHIFT({source}, {random.randint(0, 4)})"
    if shape == 1:
        return f"DELAY({source}, {random.randint(1, 4)})"
    if shape == 2:
        return f"CONV({source}, [{fraction(random)}, {fraction(random)}])"
    if shape == 3:
        return f"EMA({source}, {fraction(random)})"
    if shape == 4:
        return f"({fraction(random, 0.05, 0.4)} * DELAY({LATE}, {random.randint(1, 4)}))"
    return f"CONV({LATE}, [0, {fraction(random, 0.05, 0.3)}, {fraction(random, 0.05, 0.2)}])"


def wild(random: Random, known: Sequence[str], inputs: Sequence[str], depth: int = 3) -> str:
    """An expression of any shape over known series; what jumps reads inputs alone, which are exact."""
    one = random.choice(list(inputs))

    def below() -> str:
        return wild(random, known, inputs, depth - 1) if depth > 1 else flow(random, known, 1)

    shape = random.randrange(18)
    shapes = {
        0: lambda: f"{below()} - {below()}",
        1: lambda: f"(0 - {below()})",
        2: lambda: f"-{below()} + 100",
        3: lambda: f"({below()} + {random.uniform(-9.0, 9.0):.2f})",
        4: lambda: f"SQRT(ABS({below()}))",
        5: lambda: f"EXP(-ABS({below()}) / 50)",
        6: lambda: f"LOG(1 + ABS({below()}))",
        7: lambda: f"POW(1 + ABS({below()}), 0.5)",
        8: lambda: f"FLOOR({one}) + CEIL({one}) + ROUND({one})",
        9: lambda: f"MOD({one}, 7) + MOD({one}, 0 - 3)",
        10: lambda: f"IF({one} > 15 AND NOT {one} == 20, {below()}, {below()})",
        11: lambda: f"STEP({one}, 12) * {below()}",
        12: lambda: f"({below()} * {one} / 30)",
        13: lambda: f"({below()} / (1 + ABS({below()})))",
        14: lambda: f"DELAY({LATE}, {random.randint(1, 3)}, {random.uniform(0.0, 9.0):.2f}) * 0.3",
        15: lambda: f"CUMSUM({below()}) / 40",
        16: lambda: f"({one} < 10 OR {one} >= 30) * {below()}",
        17: lambda: f"MAX({below()}, 0) - MIN(0, {below()})",
    }
    return f"({shapes[shape]()})"
