"""What the families share: random shapes and numbers, and arrays as the vectors hold them."""
import numpy as np


class Draw:
    """Random choices of one case; everything comes from one numpy generator."""

    def __init__(self, rng):
        self.rng = rng

    def either(self, probability=0.5):
        return bool(self.rng.random() < probability)

    def choice(self, options):
        return options[int(self.rng.integers(len(options)))]

    def integer(self, low, high):
        """low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def number(self, low, high):
        return round(float(self.rng.uniform(low, high)), 3)

    def shape(self, low, high, largest=5):
        """As many axes as drawn from low to high; every fifth extent is 1."""
        return [1 if self.either(0.2) else self.integer(1, largest)
                for _ in range(self.integer(low, high))]

    def normal(self, shape, scale=1.0):
        return self.rng.normal(0, scale, shape)

    def uniform(self, shape, low, high):
        return self.rng.uniform(low, high, shape)

    def integers(self, shape, low, high):
        """An array of low to high, both included."""
        return self.rng.integers(low, high + 1, shape)

    def axis(self, rank):
        """One axis of a rank, counted from the front or from the end."""
        return self.integer(-rank, rank - 1)

    def axes(self, rank, count=None):
        """Some different axes in any order, each counted from the front or from the end."""
        count = count or self.integer(1, rank)
        return [int(a) - rank * self.either(0.4) for a in self.rng.permutation(rank)[:count]]

    def some(self, **options):
        """Some of the arguments: each one is either as given or left to its default."""
        return {key: value for key, value in options.items() if self.either(0.6)}


def encoded(value):
    """An array as the vectors hold it; the numbers read back to the same bits."""
    value = np.asarray(value)
    if value.dtype.kind in "biu":
        numbers = [int(v) for v in value.ravel()]
    else:
        numbers = [float(v) if np.isfinite(v) else str(v) for v in value.ravel()]
    return {"shape": list(value.shape), "data": numbers}


def jsonable(value):
    """Arrays and numpy's numbers encoded, everything else as it is."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return encoded(value)
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    return value


def doubles(value):
    """Every Python float as numpy's: Keras rounds Python floats to float32 on their way."""
    if isinstance(value, float):
        return np.float64(value)
    if isinstance(value, list):
        return [doubles(item) for item in value]
    if isinstance(value, dict):
        return {key: doubles(item) for key, item in value.items()}
    return value
