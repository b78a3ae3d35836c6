"""layers.json: the layers that lamina has, as Keras computes them; outputs and all gradients."""
import keras
import numpy as np
import tensorflow as tf

from .common import Draw, doubles

ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "softmax", "softplus", "silu", "elu",
               "exponential", "relu6"]


def one_or_pair(d, low, high):
    return d.integer(low, high) if d.either() else [d.integer(low, high), d.integer(low, high)]


def pair(value):
    return value if isinstance(value, list) else [value, value]


def dense(d):
    arguments = {"units": d.integer(1, 7), **d.some(use_bias=d.either()),
                 **d.some(activation=d.choice(ACTIVATIONS))}
    return "Dense", d.shape(2, 4), arguments


def convolution(d):
    groups = d.choice([1, 1, 1, 2, 3])
    kernel = one_or_pair(d, 1, 4)
    arguments = {"filters": groups * d.integer(1, 4), "kernel_size": kernel,
                 **d.some(padding=d.choice(["valid", "same"]), use_bias=d.either())}
    if groups > 1:
        arguments["groups"] = groups
    if d.either(0.3):
        arguments["dilation_rate"] = one_or_pair(d, 1, 3)
    elif d.either():
        arguments["strides"] = one_or_pair(d, 1, 4)
    if d.either(0.3):
        arguments["activation"] = d.choice(ACTIVATIONS)
    dilation = pair(arguments.get("dilation_rate", 1))
    least = [1, 1]
    if arguments.get("padding") != "same":
        least = [(k - 1) * r + 1 for k, r in zip(pair(kernel), dilation)]
    image = [e + d.integer(0, 6) for e in least]
    return "Conv2D", [d.integer(1, 3), *image, groups * d.integer(1, 3)], arguments


def pooling(d):
    kind = d.choice(["MaxPooling2D", "AveragePooling2D"])
    arguments = d.some(pool_size=one_or_pair(d, 1, 4), padding=d.choice(["valid", "same"]),
                       strides=d.choice([None, one_or_pair(d, 1, 4)]))
    if kind == "AveragePooling2D":  # has no default
        arguments.setdefault("pool_size", one_or_pair(d, 1, 4))
    least = [1, 1] if arguments.get("padding") == "same" else pair(arguments.get("pool_size", 2))
    image = [e + d.integer(0, 6) for e in least]
    return kind, [d.integer(1, 3), *image, d.integer(1, 4)], arguments


def shaping(d):
    kind = d.choice(["GlobalAveragePooling2D", "Flatten", "Reshape"])
    if kind == "GlobalAveragePooling2D":
        return kind, d.shape(4, 4, 6), d.some(keepdims=d.either())
    shape = d.shape(2, 5)
    if kind == "Flatten":
        return kind, shape, {}
    target = [shape[i] for i in 1 + d.rng.permutation(len(shape) - 1)]
    if d.either():
        target[d.integer(0, len(target) - 1)] = -1
    return kind, shape, {"target_shape": target}


def normalization(d):
    kind = d.choice(["BatchNormalization", "BatchNormalization", "LayerNormalization",
                     "GroupNormalization"])
    shape = d.shape(2, 5, 6)
    rank = len(shape)
    arguments = d.some(epsilon=d.choice([1e-7, 1e-5, 1e-2, 0.5]), center=d.either(0.7),
                       scale=d.either(0.7))
    axis = d.integer(1, rank - 1) - rank * d.either()
    if kind == "BatchNormalization":
        arguments.update(d.some(axis=axis), **d.some(momentum=d.choice([0.0, 0.5, 0.9, 0.999, 1.0])))
    elif kind == "LayerNormalization":
        axes = [int(a) + 1 for a in sorted(d.rng.permutation(rank - 1)[:d.integer(1, rank - 1)])]
        axes = [a - rank for a in axes] if d.either(0.3) else axes  # Keras sorts them as they are
        arguments.update(d.some(axis=d.choice([axis, axes])))
    else:
        arguments.update(d.some(axis=axis))
        groups = [g for g in range(1, 7) if shape[arguments.get("axis", -1)] % g == 0]
        arguments["groups"] = d.choice([*groups, -1])
    return kind, shape, arguments


def record(rng, name):
    d = Draw(rng)
    kind, shape, arguments = d.choice([dense, convolution, convolution, convolution, pooling,
                                       pooling, shaping, normalization, normalization])(d)
    training = d.either(0.7)
    layer = getattr(keras.layers, kind)(dtype="float64", **doubles(arguments))
    for option in ("epsilon", "momentum"):
        if hasattr(layer, option):
            setattr(layer, option, np.float64(getattr(layer, option)))
    layer.build(tuple(shape))
    x = d.normal(shape, d.choice([1, 1, 3]))
    if kind == "MaxPooling2D" and d.either(0.4):
        x = np.round(x)  # ties
    for variable in layer.weights:
        positive = variable.name in ("moving_variance", "gamma")
        value = d.normal(variable.shape, 0.5)
        variable.assign(np.abs(value) + 0.3 if positive else value)
    return "cases", {"name": f"{name}_{kind}", "layer": kind, "framework": "keras",
                     "dtype": "float64", "arguments": arguments, "inputs": {"x": x},
                     **call(d, layer, x, training)}


def call(d, layer, x, training):
    stateful = isinstance(layer, keras.layers.BatchNormalization)
    trainable = {v.name: v for v in layer.trainable_variables}

    def state():
        return {v.name: v.numpy().copy() for v in layer.non_trainable_variables
                if v.name.startswith("moving")}
    result = {"parameters": {name: v.numpy() for name, v in trainable.items()}}
    if stateful:
        result["state_before"] = state()
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training) if stateful else layer(x)
    result.update(outputs={"y": y.numpy()}, upstream={"y": d.normal(y.shape)})
    if stateful:
        result["state_after"] = state()
    gradients = tape.gradient(y, [x, *(v.value for v in trainable.values())],
                              tf.constant(result["upstream"]["y"]))
    gradients = [g.numpy() for g in gradients]
    result["gradients"] = {"inputs": {"x": gradients[0]},
                           "parameters": dict(zip(trainable, gradients[1:]))}
    return result
