"""A small imitation-learning pipeline in NumPy, tracked by flowtime: ``python examples/imitation_pipeline.py --help``.

A pole on a cart is to be kept upright.  Five steps: an expert is computed (the linear-quadratic regulator), it shows
how it is done from easy starts, a network learns to do the same (behavior cloning), the network is then set out
into harder starts and told by the expert what it should have done there (DAgger), and all three are compared.

The tracker is the five lines that say ``run`` or ``step``: without ``--enable-tracker`` they record nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import flowtime

Array = NDArray[np.float64]
Policy = Callable[[Array], Array]

STEPS = [
    ("expert", "Compute the expert"),
    ("collect", "Collect demonstrations"),
    ("clone", "Behavior cloning"),
    ("finetune", "Fine-tune by DAgger"),
    ("compare", "Compare the policies"),
]

# The cart and the pole: kg, m, s, N.
GRAVITY, CART, POLE, HALF_LENGTH = 9.81, 1.0, 0.1, 0.5
STEP_S, MAX_FORCE = 0.02, 20.0
MAX_ANGLE, MAX_PLACE = 0.8, 3.0
EASY, HARD = np.array([0.1, 0.1, 0.03, 0.05]), np.array([1.0, 1.0, 0.35, 0.8])
# Of place, speed, angle and turning: what the regulator holds to be bad, and what effort costs.
STATE_COST, FORCE_COST = np.diag([1.0, 0.1, 10.0, 0.1]), 0.01
BATCH = 384
# The gains that `expert` finds, for --skip-expert.
KNOWN_GAINS = np.array([-8.56496057, -10.39931614, -69.54321497, -16.03537298])


@dataclass(frozen=True)
class Size:
    """How much work the pipeline does."""

    horizon: int = 300
    demonstrations: int = 8
    clone_epochs: int = 4000
    rounds: int = 10
    episodes_per_round: int = 16
    round_epochs: int = 1500
    trials: int = 400


QUICK = Size(
    horizon=150, demonstrations=8, clone_epochs=400, rounds=4, episodes_per_round=8, round_epochs=150, trials=50
)


def advance(state: Array, force: Array) -> Array:
    """Return the states, a row each, one time step later."""
    place, speed, angle, turning = state.T
    sine, cosine = np.sin(angle), np.cos(angle)
    push = (force + POLE * HALF_LENGTH * turning**2 * sine) / (CART + POLE)
    turn = (GRAVITY * sine - cosine * push) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / (CART + POLE)))
    pull = push - POLE * HALF_LENGTH * turn * cosine / (CART + POLE)
    speed, turning = speed + STEP_S * pull, turning + STEP_S * turn
    return np.stack([place + STEP_S * speed, speed, angle + STEP_S * turning, turning], axis=1)


def find_gains(step: Any) -> Array:
    """Return the gains of the linear-quadratic regulator around the upright pole, by iterating to its fixed point."""
    shift = 1e-6
    origin = np.zeros((1, 4))
    dynamics = np.stack([(advance(origin + shift * row, np.zeros(1))[0]) / shift for row in np.eye(4)], axis=1)
    effect = advance(origin, np.array([shift]))[0] / shift
    value = STATE_COST
    gains = np.zeros(4)
    for _ in step.progress(range(2000)):
        gains = effect @ value @ dynamics / (FORCE_COST + effect @ value @ effect)
        value = STATE_COST + dynamics.T @ value @ (dynamics - np.outer(effect, gains))
    return gains


def expert_policy(gains: Array) -> Policy:
    """Return the expert: a force in proportion to each part of the state."""
    return lambda state: np.clip(-(state @ gains), -MAX_FORCE, MAX_FORCE)


def roll_out(policy: Policy, start: Array, horizon: int) -> tuple[Array, Array]:
    """Return the states that were visited, (time, episode, 4), and the return of each episode.

    Each step that the pole stands pays 1 less what the regulator holds to be bad; a pole that has fallen pays nothing.
    """
    state, stands = start, np.ones(len(start), bool)
    states, returns = [], np.zeros(len(start))
    for _ in range(horizon):
        states.append(state)
        force = policy(state)
        cost = np.einsum("ij,jk,ik->i", state, STATE_COST, state) + FORCE_COST * force**2
        returns += stands * (1.0 - np.minimum(1.0, 0.1 * cost))
        moved = advance(state, force)
        stands = stands & (np.abs(moved[:, 2]) < MAX_ANGLE) & (np.abs(moved[:, 0]) < MAX_PLACE)
        # One that has fallen lies there: else its numbers would run away.
        state = np.where(stands[:, None], moved, state)
    return np.stack(states), returns


class Network:
    """A network of two hidden layers, with the derivatives and Adam written out."""

    def __init__(self, rng: np.random.Generator, width: int = 48) -> None:
        sizes = [(4, width), (width, width), (width, 1)]
        self.weights = [rng.normal(0.0, 1.0 / np.sqrt(rows), (rows, columns)) for rows, columns in sizes]
        self.weights += [np.zeros(columns) for _, columns in sizes]
        self._mean = [np.zeros_like(weight) for weight in self.weights]
        self._square = [np.zeros_like(weight) for weight in self.weights]
        self._time = 0

    def __call__(self, state: Array) -> Array:
        """Return the force for each state."""
        return np.clip(MAX_FORCE * self._forward(state)[-1][:, 0], -MAX_FORCE, MAX_FORCE)

    def train(self, states: Array, forces: Array, rate: float) -> float:
        """Take one step of Adam towards these forces; return the loss before it."""
        layers = self._forward(states)
        error = layers[-1][:, 0] - forces / MAX_FORCE
        gradients = self._backward(layers, (2.0 / len(error)) * error[:, None])
        self._time += 1
        for index, gradient in enumerate(gradients):
            self._mean[index] += 0.1 * (gradient - self._mean[index])
            self._square[index] += 0.001 * (gradient**2 - self._square[index])
            mean = self._mean[index] / (1.0 - 0.9**self._time)
            square = self._square[index] / (1.0 - 0.999**self._time)
            self.weights[index] -= rate * mean / (np.sqrt(square) + 1e-8)
        return float(np.mean(error**2))

    def _forward(self, states: Array) -> list[Array]:
        layers = [states]
        for index in range(3):
            total = layers[-1] @ self.weights[index] + self.weights[index + 3]
            layers.append(np.tanh(total) if index < 2 else total)
        return layers

    def _backward(self, layers: list[Array], slope: Array) -> list[Array]:
        of_weights: list[Array] = []
        of_offsets: list[Array] = []
        for index in (2, 1, 0):
            of_weights.insert(0, layers[index].T @ slope)
            of_offsets.insert(0, slope.sum(axis=0))
            if index:
                slope = (slope @ self.weights[index].T) * (1.0 - layers[index] ** 2)
        return [*of_weights, *of_offsets]


def starts(rng: np.random.Generator, count: int, spread: Array) -> Array:
    """Return states to start from."""
    return rng.uniform(-1.0, 1.0, (count, 4)) * spread


def fit(run: Any, network: Network, data: tuple[Array, Array], rng: np.random.Generator, epochs: Any) -> None:
    """Train on batches of the data, one an epoch."""
    states, forces = data
    for epoch in epochs:
        batch = rng.integers(0, len(states), BATCH)
        loss = network.train(states[batch], forces[batch], rate=3e-3 * 0.5 ** (epoch / 3000))
        run.log(loss=loss)


def run_pipeline(run: Any, size: Size, seed: int, *, skip_expert: bool = False) -> dict[str, float]:
    """Run the five steps; return the mean return of each policy from hard starts."""
    rng = np.random.default_rng(seed)
    if skip_expert:
        run.skip("expert", "its gains are known")
        gains = KNOWN_GAINS
    else:
        with run.step("expert") as step:
            gains = find_gains(step)
    expert = expert_policy(gains)

    with run.step("collect") as step:
        episodes = []
        for _ in step.progress(range(size.demonstrations)):
            states, returns = roll_out(expert, starts(rng, 1, EASY), size.horizon)
            episodes.append(states.reshape(-1, 4))
            run.log(**{"return": returns[0]})
        states = np.concatenate(episodes)
        data = states, expert(states)

    with run.step("clone") as step:
        network = Network(rng)
        fit(run, network, data, rng, step.progress(range(size.clone_epochs)))
        test = starts(rng, size.trials, HARD)
        cloned = float(roll_out(network, test, size.horizon)[1].mean())

    with run.step("finetune") as step:
        for _ in step.progress(range(size.rounds)):
            states, returns = roll_out(network, starts(rng, size.episodes_per_round, HARD), size.horizon)
            states = states.reshape(-1, 4)
            data = np.concatenate([data[0], states]), np.concatenate([data[1], expert(states)])
            fit(run, network, data, rng, range(size.round_epochs))
            run.log(**{"return": returns.mean()})

    with run.step("compare"):
        policies: dict[str, Policy] = {"expert": expert, "fine-tuned": network}
        found = {name: float(roll_out(policy, test, size.horizon)[1].mean()) for name, policy in policies.items()}
        found["cloned"] = cloned
        for name, value in found.items():
            run.summary[f"return_{name}"] = value
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Run the pipeline as the command line says."""
    parser = argparse.ArgumentParser(description="Imitation learning on a pole and a cart, tracked by flowtime.")
    parser.add_argument("--enable-tracker", action="store_true", help="record the run")
    parser.add_argument("--runs-dir", metavar="DIR", help="folder of the runs (default: that of the settings)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--quick", action="store_true", help="a small one, for a look")
    parser.add_argument("--skip-expert", action="store_true", help="use gains that are known")
    asked = parser.parse_args(words)
    size = QUICK if asked.quick else Size()
    with flowtime.track(
        "imitation",
        steps=STEPS,
        tags={"size": "quick" if asked.quick else "full"},
        config={"seed": asked.seed, **vars(size)},
        scenario="cart-pole-quick" if asked.quick else "cart-pole",
        root=asked.runs_dir,
        enabled=asked.enable_tracker,
    ) as run:
        found = run_pipeline(run, size, asked.seed, skip_expert=asked.skip_expert)
    for name in ("expert", "cloned", "fine-tuned"):
        sys.stdout.write(f"{name:12} {found[name]:8.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
