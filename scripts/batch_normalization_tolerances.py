"""How far lamina may differ from a recorded batch normalization: the rule of test/golden/README.md.

For record_batch_normalization.py: a model of the layer in double gives the size of the terms that
each recorded array adds up; the tolerance is eight roundings of them.
"""
import numpy as np


def kept_axes(case):
    axis = case["arguments"].get("axis", -1)
    rank = len(case["shape"])
    return sorted(a % rank for a in (axis if isinstance(axis, list) else [axis]))


def wide_shape(case):
    """The shape that broadcasts a parameter over x: 1 on every reduced axis."""
    kept = kept_axes(case)
    return [n if i in kept else 1 for i, n in enumerate(case["shape"])]


def parameter_shape(case):
    if case["arguments"].get("virtual_batch_size"):
        return [1] + wide_shape(case)
    kept = kept_axes(case)
    return [case["shape"][kept[0]]] if len(kept) == 1 else wide_shape(case)


def would_fuse(case):
    """Whether the function takes its fused kernel, which rounds 1 - momentum in its own way."""
    rank, given = len(case["shape"]), case["arguments"]
    return (rank in (4, 5) and kept_axes(case) in ([1], [rank - 1]) and case["dtype"] == "float32"
            and given.get("fused") is not False and "adjustment" not in case
            and not given.get("renorm") and not given.get("virtual_batch_size"))


class Tolerances:
    """Eight roundings of the terms that are added up, followed through the moving averages."""

    def __init__(self, case):
        self.case, self.arguments = case, case["arguments"]
        self.epsilon = self.arguments.get("epsilon", 1e-3)
        self.fused = would_fuse(case)
        self.unit = 8 * 2.0 ** (-23 if case["dtype"] == "float32" else -52)
        self.state = {}  # variable -> its tolerance so far

    def statistics(self, x):
        """x in ghost batches (axis 1 counts them), the reduced axes, mean and variance."""
        kept, size = kept_axes(self.case), self.arguments.get("virtual_batch_size")
        if size:
            x = x.reshape([size, -1] + self.case["shape"][1:])
            kept = [1] + [a + 1 for a in kept]
        reduced = tuple(a for a in range(x.ndim) if a not in kept)
        return x, reduced, x.mean(reduced, keepdims=True), x.var(reduced, keepdims=True)

    def merged(self, value):
        """One value per channel: the average over the ghost batches."""
        return value.mean(1, keepdims=True) if self.arguments.get("virtual_batch_size") else value

    def call(self, state, x, dy, training):
        """The tolerances of y, dx, dgamma, dbeta of one call that sees this state."""
        x, dy = x.astype(float), dy.astype(float)
        r, d, a, b = 1.0, 0.0, 1.0, 0.0
        if training:
            wide = ([1] if self.arguments.get("virtual_batch_size") else []) + wide_shape(self.case)
            x, reduced, mean, variance = self.statistics(x)
            dy = dy.reshape(x.shape)
            if self.arguments.get("renorm"):
                r, d = self.correction(state, self.merged(mean), self.merged(variance), wide)
            if "adjustment" in self.case:
                a, b = (self.case["adjustment"][key].astype(float) for key in ("scale", "bias"))
        else:
            wide = wide_shape(self.case)
            reduced = tuple(i for i, n in enumerate(wide) if i not in kept_axes(self.case))
            mean, variance = (state[key].reshape(wide).astype(float)
                              for key in ("moving_mean", "moving_variance"))
        gamma, beta = (state[key].reshape(wide).astype(float) if key in state else otherwise
                       for key, otherwise in (("gamma", np.ones(1)), ("beta", np.zeros(1))))
        inv = 1 / np.sqrt(variance + self.epsilon)
        factor = (np.abs(x) + np.abs(mean)) * inv
        terms = factor * np.abs(r * a) + np.abs(d * a) + np.abs(b)
        weight = np.abs(dy)
        sums = tuple(i for i, n in enumerate(wide) if n == 1)
        result = {
            "y": self.unit * np.max(terms * np.abs(gamma) + np.abs(beta)),
            "dx": (self.unit * np.max(inv * np.abs(dy * gamma * r * a))
                   * (1 + np.max(factor) * training)),
            "dgamma": self.unit * np.max(np.sum(weight * terms, sums)),
            "dbeta": self.unit * np.max(np.sum(weight, sums))}
        if not training:
            of_inv = 0.5 * inv ** 3 * self.state.get("moving_variance", 0)
            moved = inv * self.state.get("moving_mean", 0) + np.abs(x - mean) * of_inv
            result["y"] += np.max(moved * np.abs(gamma))
            result["dx"] += np.max(weight * np.abs(gamma) * of_inv)
            result["dgamma"] += np.max(np.sum(weight * moved, sums))
        return {key: value for key, value in result.items() if key[1:] in state or len(key) < 3}

    def correction(self, state, mean, variance, wide):
        deviation = np.maximum(state["renorm_stddev"].reshape(wide), np.sqrt(self.epsilon))
        r = np.sqrt(variance + self.epsilon) / deviation
        d = (mean - state["renorm_mean"].reshape(wide)) / deviation
        clipping = self.arguments.get("renorm_clipping", {})
        r = np.minimum(np.maximum(r, clipping.get("rmin", 0)), clipping.get("rmax", np.inf))
        return r, np.clip(d, -clipping.get("dmax", np.inf), clipping.get("dmax", np.inf))

    def update(self, before, after, x):
        """The tolerances of the state after a step on x."""
        x, reduced, mean, variance = self.statistics(x.astype(float))
        mean, variance = self.merged(mean), self.merged(variance)
        count = x.size // mean.size
        bessel = count / max(count - 1, 1) if self.fused else 1
        values = {"mean": mean, "variance": variance * bessel,
                  "stddev": np.sqrt(variance + self.epsilon)}
        size_of_mean = np.max(np.abs(x).mean(reduced))
        for name, old in before.items():
            average, _, kind = name.rpartition("_")
            if not average:
                continue
            momentum = self.arguments.get(
                "renorm_momentum" if average == "renorm" else "momentum", 0.99)
            value = values[kind]
            size = size_of_mean if kind == "mean" else np.max(value)
            step = (np.float32(1) - np.float32(momentum) if self.fused
                    else np.float32(1 - momentum))
            rounding = abs(float(step) - (1 - momentum))
            self.state[name] = (
                self.unit * (np.max(np.abs(old)) + (1 - momentum) * size)
                + momentum * self.state.get(name, 0)
                + 2 * rounding * np.max(np.abs(old.reshape(value.shape) - value))
                + (0 if kind == "mean" else (1 - momentum) * (self.unit * size_of_mean) ** 2))
        if self.arguments.get("renorm"):
            deviation = np.max(after["moving_stddev"])
            self.state["moving_variance"] = (2 * self.state["moving_stddev"] * deviation
                                             + self.unit * self.epsilon)
        return {f"state.{name}": value for name, value in self.state.items()}
