#!/usr/bin/env python3
"""Record random cases of tf.compat.v1.layers.batch_normalization as golden vectors.

Draws combinations of the arguments, ranks and axes, lets TensorFlow compute training steps and one
inference call of each, and writes them in the format of test/golden/README.md, one file per case.
The same seed gives the same cases. Needs the packages tensorflow-cpu and tf-keras (the recorded
vectors come from 2.21 of both); lamina itself needs neither.

    python3 scripts/record_batch_normalization.py --count 300 --seed 1 FOLDER
    LAMINA_GOLDEN_DIR=FOLDER build/test/golden_test
"""
import argparse
import json
import os
import pathlib
import warnings

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402
from batch_normalization_tolerances import (  # noqa: E402
    Tolerances, kept_axes, parameter_shape, wide_shape)

SOURCE = f"tensorflow {tf.__version__}, tf-keras {tf_keras.__version__}"
tf1 = tf.compat.v1
warnings.filterwarnings("ignore", "`tf.layers.batch_normalization` is deprecated")


# Drawing a case -----------------------------------------------------------------------------------

def draw_axis(rng, rank, ghost):
    """None (the default), one axis or a list; negative and unordered ones too; not 0 for ghosts."""
    allowed = list(range(1 if ghost else 0, rank))
    if rng.random() < 0.25:
        return None
    count = 1 if rng.random() < 0.5 else int(rng.integers(1, len(allowed) + 1))
    chosen = [int(a) for a in rng.permutation(allowed)[:count]]
    chosen = [a - rank if rng.random() < 0.4 else a for a in chosen]
    return chosen[0] if count == 1 and rng.random() < 0.7 else chosen


def draw_clipping(rng):
    bounds = {"rmin": rng.uniform(0.2, 1), "rmax": rng.uniform(1, 3), "dmax": rng.uniform(0, 2)}
    return {key: round(value, 3) for key, value in bounds.items() if rng.random() < 0.5}


def draw_arguments(rng, shape, dtype):
    """Arguments that the function accepts for this shape and dtype (no renorm in float64)."""
    def either(probability=0.5):
        return bool(rng.random() < probability)

    arguments = {}
    ghost = len(shape) > 1 and either(0.25)
    axis = draw_axis(rng, len(shape), ghost)
    if axis is not None:
        arguments["axis"] = axis
    if ghost:
        divisors = [v for v in range(1, shape[0] + 1) if shape[0] % v == 0]
        arguments["virtual_batch_size"] = int(rng.choice(divisors))
    if either(0.6):
        arguments["momentum"] = float(rng.choice([0.0, 0.3, 0.5, 0.9, 0.999, 1.0]))
    if either():
        arguments["epsilon"] = float(rng.choice([1e-7, 1e-5, 1e-2, 0.5]))
    for key, probability in (("center", 0.2), ("scale", 0.2), ("trainable", 0.1)):
        if either(probability):
            arguments[key] = False
    if either():
        arguments["fused"] = [None, True, False][int(rng.integers(3))]
    if dtype == "float32" and either(0.4):
        arguments["renorm"] = True
        if either(0.7):
            arguments["renorm_clipping"] = draw_clipping(rng)
        if either():
            arguments["renorm_momentum"] = float(rng.choice([0.0, 0.5, 0.9, 1.0]))
    return arguments


def draw_adjustment(rng, case):
    """Scale and bias: one per channel, one per example and channel, or one per element."""
    shapes = [wide_shape(case), case["shape"][:1] + wide_shape(case)[1:], case["shape"]]
    if kept_axes(case) == [len(case["shape"]) - 1]:
        shapes.append(case["shape"][-1:])
    shape = shapes[int(rng.integers(len(shapes)))]
    return {"scale": rng.uniform(0.5, 1.5, shape), "bias": rng.normal(0, 0.3, shape)}


def draw_case(rng, name):
    rank = int(rng.integers(1, 6))
    shape = [int(rng.integers(1, 9))] + [int(rng.integers(1, 5)) for _ in range(rank - 1)]
    dtype = "float32" if rng.random() < 0.75 else "float64"
    case = {"name": name, "source": SOURCE, "dtype": dtype, "shape": shape,
            "arguments": draw_arguments(rng, shape, dtype), "initial": {}}
    drawn = {"gamma": rng.uniform(-0.5, 1.5, parameter_shape(case)),
             "beta": rng.normal(0, 0.5, parameter_shape(case)),
             "moving_mean": rng.normal(0, 1, parameter_shape(case)),
             "moving_variance": rng.uniform(0.1, 2, parameter_shape(case))}
    for key, value in drawn.items():
        absent = {"gamma": "scale", "beta": "center"}.get(key)
        if case["arguments"].get(absent, True) and rng.random() < 0.7:
            case["initial"][key] = value.astype(dtype)
    if "virtual_batch_size" not in case["arguments"] and rng.random() < 0.25:
        case["adjustment"] = {key: value.astype(dtype)
                              for key, value in draw_adjustment(rng, case).items()}
    return case


def draw_calls(rng, case):
    """x and dy of two to four calls, the last being inference; some far from 0, some constant."""
    mean, spread = rng.choice([0, 0, 1, 50]), rng.choice([0.3, 1, 1, 4])
    constant = rng.random() < 0.05
    for _ in range(int(rng.integers(2, 5))):
        x = rng.normal(mean, 0 if constant else spread, case["shape"])
        yield x.astype(case["dtype"]), rng.normal(0, 1, case["shape"]).astype(case["dtype"])


# Recording ----------------------------------------------------------------------------------------

def encoded(value):
    """An array as the vectors hold it; the numbers read back to the same bits."""
    value = np.asarray(value)
    digits = 9 if value.dtype == np.float32 else 17
    numbers = [float(f"{v:.{digits}g}") if np.isfinite(v) else str(v) for v in value.ravel()]
    return {"shape": list(value.shape), "data": numbers}


class Graph:
    """The function called once for training and once for inference on the same variables."""

    def __init__(self, case):
        options = dict(case["arguments"])
        for key, value in case["initial"].items():
            options[f"{key}_initializer"] = tf1.constant_initializer(value)
        if "adjustment" in case:
            options["adjustment"] = lambda shape: (tf.constant(case["adjustment"]["scale"]),
                                                   tf.constant(case["adjustment"]["bias"]))
        self.x, self.dy = (tf1.placeholder(case["dtype"], case["shape"]) for _ in range(2))
        self.fetches = {}
        for training in (True, False):
            y = tf1.layers.batch_normalization(self.x, training=training, name="layer",
                                               reuse=not training, **options)
            self.variables = {v.op.name.rpartition("/")[2]: v for v in tf1.global_variables()}
            sources = {"dx": self.x}
            sources.update((f"d{name}", self.variables[name]) for name in ("gamma", "beta")
                           if name in self.variables)
            gradients = tf.gradients(y, list(sources.values()), self.dy)
            self.fetches[training] = {"y": y, **dict(zip(sources, gradients))}
        self.updates = tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)
        self.trainable = [v.op.name.rpartition("/")[2] for v in tf1.trainable_variables()]


def record(case, calls):
    """The case with everything that TensorFlow computed on the calls, the last being inference."""
    with tf.Graph().as_default(), tf1.Session() as session:
        graph = Graph(case)
        session.run(tf1.global_variables_initializer())
        tolerances = Tolerances(case)
        state = session.run(graph.variables)
        recorded = {**case, "initial_state": state, "steps": [], "trainable": graph.trainable,
                    "variables": {name: list(value.shape) for name, value in state.items()}}
        for number, (x, dy) in enumerate(calls):
            training = number + 1 < len(calls)
            feed = {graph.x: x, graph.dy: dy}
            step = {"x": x, "dy": dy, **session.run(graph.fetches[training], feed)}
            step["tolerance"] = tolerances.call(state, x, dy, training)
            if not training:
                return {**recorded, "inference": step}
            before = state
            session.run(graph.updates, feed)
            state = session.run(graph.variables)
            step["tolerance"].update(
                tolerances.update(before, state, x) if graph.updates
                else {f"state.{name}": 0.0 for name in state if "_" in name})
            step["state"] = {name: value for name, value in state.items() if "_" in name}
            recorded["steps"].append(step)


def jsonable(value):
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.float32)):
        return encoded(value) if isinstance(value, np.ndarray) else float(f"{value:.3g}")
    if isinstance(value, np.float64):
        return float(f"{value:.3g}")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [jsonable(item) for item in value]
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("folder", type=pathlib.Path, help="gets batch_normalization/*.json")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = options.folder / "batch_normalization"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        rng = np.random.default_rng([options.seed, number])
        case = draw_case(rng, f"random_{options.seed}_{number}")
        recorded = record(case, list(draw_calls(rng, case)))
        (folder / f"{case['name']}.json").write_text(json.dumps(jsonable(recorded)) + "\n")
    print(f"{options.count} cases in {folder}")


if __name__ == "__main__":
    main()
