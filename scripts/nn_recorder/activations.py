"""activations.json: Keras' and PyTorch's activations on a grid and at smooth points; softmax."""
import keras
import numpy as np
import tensorflow as tf
import torch

from .common import Draw

GRID = [0.0, 1e-300, 1e-20, 1e-8, 1e-4, 0.1, 0.5, 1.0, 3.0, 6.0, 12.0, 36.7, 100.0]
KERAS = ["relu", "relu_options", "relu6", "elu", "elu_alpha", "silu", "sigmoid", "tanh",
         "softplus", "exponential", "linear"]
TORCH = ["leaky_relu", "gelu", "gelu_tanh"]
SOFTMAX = ["softmax", "log_softmax"]


def arguments_of(d, name):
    if name == "relu_options":  # numbers of few bits: Keras keeps them as float32
        return d.some(negative_slope=d.integer(0, 6) / 8, max_value=d.integer(8, 64) / 8,
                      threshold=d.integer(0, 8) / 8)
    if name == "leaky_relu":
        return d.some(negative_slope=d.number(0, 0.9))
    if name == "elu_alpha":
        return {"alpha": d.number(0.1, 2)}
    return {"gelu": {"approximate": False}, "gelu_tanh": {"approximate": True},
            "elu": d.some(alpha=1.0)}.get(name, {})


def keras_function(name, arguments):
    function = getattr(keras.activations, {"relu_options": "relu", "elu_alpha": "elu"}.get(name,
                                                                                           name))
    return lambda x: function(x, **arguments)


def keras_derivatives(f, x, upstream, direction):
    """f(x), and the first and second derivative along the two."""
    x, upstream, direction = (tf.constant(v) for v in (x, upstream, direction))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = f(x)
        first = inner.gradient(y, x, upstream)
    second = outer.gradient(first, x, direction)
    return [v.numpy() for v in (y, first, tf.zeros_like(x) if second is None else second)]


def torch_function(name, arguments):
    if name == "leaky_relu":
        return lambda x: torch.nn.functional.leaky_relu(x, **arguments)
    approximate = "tanh" if arguments["approximate"] else "none"
    return lambda x: torch.nn.functional.gelu(x, approximate=approximate)


def torch_derivatives(f, x, upstream, direction):
    x, upstream, direction = (torch.tensor(v) for v in (x, upstream, direction))
    x.requires_grad_()
    y = f(x)
    first = torch.autograd.grad(y, x, upstream, create_graph=True)[0]
    second = torch.zeros_like(x)
    if first.requires_grad:
        second = torch.autograd.grad(first, x, direction)[0]
    return [v.detach().numpy() for v in (y, first, second)]


def record_softmax(d, name, kind):
    x = d.normal(d.shape(1, 4), d.choice([1, 3, 100]))
    arguments = {"axis": d.axis(x.ndim)}
    upstream, direction = d.normal(x.shape), d.normal(x.shape)
    y, gradient, second = keras_derivatives(keras_function(kind, arguments), x, upstream, direction)
    return {"name": f"{kind}_{name}", "framework": "keras", "dtype": "float64",
            "arguments": arguments, "x": x, "y": y, "upstream": upstream, "gradient": gradient,
            "direction": direction, "hessian_vector": second}


def record(rng, name):
    d = Draw(rng)
    kind = d.choice(KERAS + TORCH + SOFTMAX * 3)
    if kind in SOFTMAX:
        return "cases", record_softmax(d, name, kind)
    arguments = arguments_of(d, kind)
    in_torch = kind in TORCH
    f = (torch_function if in_torch else keras_function)(kind, arguments)
    derivatives = torch_derivatives if in_torch else keras_derivatives
    grid = np.concatenate([GRID, np.negative(GRID), d.normal([d.integer(1, 8)], 3),
                           [float(v) for k, v in arguments.items() if k != "approximate"]])
    points = d.normal([d.integer(1, 12)], 2)
    y, gradient, _ = derivatives(f, grid, np.ones_like(grid), np.ones_like(grid))
    ones = np.ones_like(points)
    smooth = dict(zip(("x", "y", "first", "second"), [points, *derivatives(f, points, ones, ones)]))
    return "cases", {"name": f"{kind}_{name}", "framework": "torch" if in_torch else "keras",
                     "dtype": "float64", "arguments": arguments, "x": grid, "y": y,
                     "gradient": gradient, "smooth": smooth}
