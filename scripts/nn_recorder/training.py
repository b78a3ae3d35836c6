"""training.json: small networks of other sizes and rates than the recorded two, step by step."""
import keras
import numpy as np
import tensorflow as tf

from .common import Draw, doubles


def mlp(d):
    width, classes = d.integer(2, 9), d.integer(2, 5)
    penalty, momentum, limit = d.number(0, 0.1), d.choice([0.5, 0.9, 0.99]), d.number(0.5, 3)
    words = [f"dense_1: Dense({width}), kernel_regularizer L2({penalty})",
             f"bn: BatchNormalization(momentum {momentum}, epsilon 1e-3), "
             f"gamma_constraint MaxNorm({limit}, axis 0)",
             "relu",
             f"dense_2: Dense({classes}), kernel_regularizer L2({penalty})",
             "loss: mean sparse softmax cross-entropy from logits + the two penalties; "
             "the constraint acts after the optimizer's step"]
    l2 = keras.regularizers.L2(0.0)
    l2.l2 = np.float64(penalty)
    layers = [keras.layers.Dense(width, kernel_regularizer=l2, name="dense_1"),
              normalization(momentum, gamma_constraint=keras.constraints.MaxNorm(
                  np.float64(limit), axis=0)),
              keras.layers.ReLU(),
              keras.layers.Dense(classes, kernel_regularizer=l2, name="dense_2")]
    arguments = {"learning_rate": d.choice([0.01, 0.1, 0.3]), "momentum": d.choice([0.5, 0.9])}
    return ("mlp_sgd_momentum", words, layers, "SGD", arguments, [d.integer(3, 8)], classes)


def cnn(d):
    filters, kernel, classes = d.integer(1, 5), d.integer(1, 3), d.integer(2, 4)
    momentum, pool = d.choice([0.5, 0.8, 0.99]), d.integer(1, 3)
    padding = d.choice(["valid", "same"])
    words = [f"conv: Conv2D({filters}, {kernel}, {padding})",
             f"bn: BatchNormalization(momentum {momentum}, epsilon 1e-3), "
             "biased batch variance in moving_variance",
             "relu",
             f"pool: MaxPooling2D({pool})",
             "flatten",
             f"dense: Dense({classes})",
             "loss: mean sparse softmax cross-entropy from logits"]
    layers = [keras.layers.Conv2D(filters, kernel, padding=padding, name="conv"),
              normalization(momentum), keras.layers.ReLU(), keras.layers.MaxPooling2D(pool),
              keras.layers.Flatten(), keras.layers.Dense(classes, name="dense")]
    arguments = {"learning_rate": d.choice([0.001, 0.01]), "beta_1": d.choice([0.5, 0.9]),
                 "beta_2": d.choice([0.9, 0.999]), "epsilon": d.choice([1e-7, 1e-3])}
    image = [d.integer(5, 9), d.integer(5, 9), d.integer(1, 3)]
    return "cnn_adam", words, layers, "Adam", arguments, image, classes


def normalization(momentum, **options):
    layer = keras.layers.BatchNormalization(name="bn", **options)
    layer.momentum, layer.epsilon = np.float64(momentum), np.float64(1e-3)
    return layer


def path_of(variable):
    return ".".join(variable.path.split("/")[-2:])


def record(rng, name):
    d = Draw(rng)
    kind, words, layers, optimizer_name, arguments, shape, classes = d.choice([mlp, cnn])(d)
    net = keras.Sequential([keras.Input(shape, dtype="float64"), *layers])
    variables = {path_of(v): v for v in net.weights}
    trainable = [path_of(v) for v in net.trainable_variables]
    for path, variable in variables.items():
        if "moving" not in path:
            variable.assign(d.normal(variable.shape, 0.4) + (1 if "gamma" in path else 0))
    optimizer = getattr(keras.optimizers, optimizer_name)(**doubles(arguments))
    for option in ("beta_1", "beta_2", "epsilon", "momentum"):
        if hasattr(optimizer, option):
            setattr(optimizer, option, np.float64(getattr(optimizer, option)))

    def state():
        return {path: v.numpy().copy() for path, v in variables.items()}
    case = {"name": f"{kind}_{name}", "framework": "keras", "dtype": "float64", "model": words,
            "optimizer": optimizer_name, "arguments": arguments, "trainable": trainable,
            "initial": state(), "steps": []}
    batch = d.integer(3, 6)
    for _ in range(d.integer(3, 6)):
        step = {"x": d.normal([batch, *shape]), "labels": d.integers([batch], 0, classes - 1)}
        with tf.GradientTape() as tape:
            logits = net(tf.constant(step["x"]), training=True)
            data = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=step["labels"], logits=logits))
            penalty = tf.add_n(net.losses) if net.losses else tf.constant(0.0, tf.float64)
            loss = data + penalty
        gradients = tape.gradient(loss, [variables[p].value for p in trainable])
        optimizer.apply(gradients, [variables[p] for p in trainable])
        case["steps"].append({**step, "logits": logits.numpy(), "data_loss": float(data),
                              "penalty": float(penalty), "loss": float(loss), "state": state(),
                              "gradients": {p: g.numpy() for p, g in zip(trainable, gradients)}})
    x = d.normal([batch, *shape])
    case.update(final=state(), inference={"x": x, "logits": net(tf.constant(x),
                                                                training=False).numpy()})
    return "cases", case
