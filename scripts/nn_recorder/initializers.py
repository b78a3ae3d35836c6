"""initializers.json: exact values by Keras; of random ones the bounds and moments by formula."""
import math

import keras
import numpy as np
from keras.src.initializers.random_initializers import compute_fans

from .common import Draw, doubles

# Deviation of a standard normal cut at two deviations; Keras divides by it in variance scaling.
TRUNCATED = 0.87962566103423978
SCALING = {"GlorotUniform": (1.0, "fan_avg", "uniform"),
           "GlorotNormal": (1.0, "fan_avg", "truncated_normal"),
           "HeUniform": (2.0, "fan_in", "uniform"),
           "HeNormal": (2.0, "fan_in", "truncated_normal"),
           "LecunUniform": (1.0, "fan_in", "uniform"),
           "LecunNormal": (1.0, "fan_in", "truncated_normal")}


def record_exact(d, name):
    kind = d.choice(["Zeros", "Ones", "Constant", "Identity", "Identity"])
    arguments = {"Constant": {"value": d.number(-3, 3)},
                 "Identity": d.some(gain=d.number(-2, 3))}.get(kind, {})
    shape = d.shape(2, 2, 7) if kind == "Identity" else d.shape(0, 5)
    value = np.asarray(getattr(keras.initializers, kind)(**doubles(arguments))(shape, "float64"))
    return {"name": f"{name}_{kind}", "initializer": kind, "framework": "keras",
            "arguments": arguments, "value": value.astype(np.float64)}


def moments(distribution, mean, spread):
    """spread: half the width of a uniform distribution; a normal's deviation before cutting."""
    if distribution == "uniform":
        return {"lower": mean - spread, "upper": mean + spread, "stddev": spread / math.sqrt(3)}
    if distribution == "truncated_normal":
        return {"lower": mean - 2 * spread, "upper": mean + 2 * spread,
                "stddev_before_truncation": spread, "stddev": spread * TRUNCATED}
    return {"stddev": spread}


def record_random(d, name):
    kind = d.choice(["RandomUniform", "RandomNormal", "TruncatedNormal", "VarianceScaling",
                     "VarianceScaling", *SCALING])
    shape = d.shape(1, 5, 9)
    fans = [int(f) for f in compute_fans(tuple(shape))]
    mean = 0.0
    if kind == "RandomUniform":
        low = d.number(-1, 0.2)
        arguments = {"minval": low, "maxval": round(low + d.number(0.1, 2), 3)}
        mean = (low + arguments["maxval"]) / 2
        distribution, spread = "uniform", (arguments["maxval"] - low) / 2
    elif kind in ("RandomNormal", "TruncatedNormal"):
        mean, spread = d.number(-1, 1), d.number(0.05, 2)
        arguments = {"mean": mean, "stddev": spread}
        distribution = "untruncated_normal" if kind == "RandomNormal" else "truncated_normal"
    else:
        scale, mode, distribution = SCALING.get(kind) or (
            d.number(0.1, 4), d.choice(["fan_in", "fan_out", "fan_avg"]),
            d.choice(["truncated_normal", "untruncated_normal", "uniform"]))
        arguments = {"scale": scale, "mode": mode, "distribution": distribution}
        fan = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[mode]
        variance = scale / max(1.0, fan)
        spread = {"uniform": math.sqrt(3 * variance), "untruncated_normal": math.sqrt(variance),
                  "truncated_normal": math.sqrt(variance) / TRUNCATED}[distribution]
    return {"name": f"{name}_{kind}", "initializer": kind, "framework": "keras",
            "arguments": arguments, "shape": shape, "distribution": distribution, "mean": mean,
            "fans": fans, **moments(distribution, mean, spread)}


def record_orthogonal(d, name):
    gain, shape = d.number(0.2, 3), d.shape(2, 4, 7)
    rows, columns = math.prod(shape[:-1]), shape[-1]
    return {"name": f"{name}_Orthogonal", "initializer": "Orthogonal", "framework": "keras",
            "arguments": {"gain": gain}, "shape": shape, "matrix": [rows, columns],
            "orthogonal": "rows" if rows < columns else "columns", "gram_diagonal": gain * gain}


def record(rng, name):
    d = Draw(rng)
    kind = d.choice(["exact", "random", "random", "orthogonal"])
    return kind, {"exact": record_exact, "random": record_random,
                  "orthogonal": record_orthogonal}[kind](d, name)
