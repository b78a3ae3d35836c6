"""losses.json: the losses that lamina has, of Keras and PyTorch; value and gradient."""
import keras
import numpy as np
import tensorflow as tf
import torch

from .common import Draw, doubles

ELEMENTWISE = {"MeanSquaredError": None, "MeanAbsoluteError": None, "Huber": "delta",
               "BinaryCrossentropy": "label_smoothing"}
TORCH = {"mse": torch.nn.functional.mse_loss, "l1": torch.nn.functional.l1_loss,
         "huber": torch.nn.functional.huber_loss,
         "binary_cross_entropy_with_logits":
             torch.nn.functional.binary_cross_entropy_with_logits,
         "cross_entropy": torch.nn.functional.cross_entropy}


def distribution(d, shape, axis):
    t = d.uniform(shape, 0.01, 1)
    return t / t.sum(axis, keepdims=True)


def torch_cross_entropy(d):
    """Classes on axis 1, or a single entry of rank 1; class numbers or distributions."""
    rank = d.integer(1, 4)
    shape = d.shape(rank, rank)
    axis = min(rank - 1, 1)
    arguments = d.some(label_smoothing=d.number(0, 0.5))
    extra = d.some(weight=d.uniform([shape[axis]], 0.1, 2))
    if d.either(0.3):
        return shape, distribution(d, shape, axis), arguments, extra
    target = d.integers(shape[:axis] + shape[axis + 1:], 0, shape[axis] - 1)
    if d.either():
        arguments["ignore_index"] = d.choice([-100, -1, 0, shape[axis] - 1])
    ignored = d.uniform(np.shape(target), 0, 1) < d.choice([0, 0.3, 0.3, 1])
    return (shape, np.where(ignored, arguments.get("ignore_index", -100), target), arguments,
            extra)


def torch_elementwise(d, loss):
    shape = d.shape(1, 4)
    if loss == "binary_cross_entropy_with_logits":
        extra = d.some(pos_weight=d.uniform(d.choice([shape[-1:], [1]]), 0.2, 4))
        if d.either():
            extra = {**extra, "weight": d.uniform(d.choice([shape, shape[-1:]]), 0.2, 2)}
        return shape, d.uniform(shape, 0, 1), {}, extra
    return shape, d.normal(shape, 2), {"delta": d.number(0.1, 3)} if loss == "huber" else {}, {}


def record_torch(d, name):
    loss = d.choice(list(TORCH) + ["cross_entropy"] * 4)
    draw = torch_cross_entropy(d) if loss == "cross_entropy" else torch_elementwise(d, loss)
    shape, target, arguments, extra = draw
    arguments.update(d.some(reduction=d.choice(["none", "mean", "sum"])))
    x = torch.tensor(d.normal(shape, d.choice([1, 3, 300])), requires_grad=True)
    value = TORCH[loss](x, torch.tensor(target), **arguments,
                        **{key: torch.tensor(v) for key, v in extra.items()})
    case = {"name": f"{name}_{loss}", "loss": loss, "framework": "torch", "dtype": "float64",
            "arguments": arguments, "prediction": x.detach().numpy(), "target": target,
            "extra": extra, "value": value.detach().numpy()}
    seed = torch.ones_like(value)
    if arguments.get("reduction") == "none":
        case["upstream"] = np.asarray(d.normal(list(value.shape)))
        seed = torch.tensor(case["upstream"])
    case["gradient"] = torch.autograd.grad(value, x, seed)[0].numpy()
    return case


def keras_draw(d, loss):
    shape = d.shape(1 if loss in ELEMENTWISE else 2, 4)
    if loss == "SparseCategoricalCrossentropy":
        shape[-1] = max(shape[-1], 2)  # Keras takes a single class for an axis to be squeezed
        arguments = {"from_logits": True, **d.some(ignore_class=d.choice([-1, 0, 1]))}
        target = d.integers(shape[:-1], 0, shape[-1] - 1)
        if arguments.get("ignore_class") == -1:
            target = np.where(d.uniform(target.shape, 0, 1) < 0.3, -1, target)
        elif d.either(0.2):
            target = target[..., np.newaxis]
        return shape, target, arguments
    if loss == "CategoricalCrossentropy":
        arguments = {"from_logits": True, **d.some(label_smoothing=d.number(0, 0.5))}
        target = distribution(d, shape, -1)
        if d.either():
            target = np.eye(shape[-1])[d.integers(shape[:-1], 0, shape[-1] - 1)]
        if "label_smoothing" not in arguments and d.either(0.3):
            axis = d.integer(-1, len(shape) - 1)
            return shape, distribution(d, shape, axis), {"from_logits": True, "axis": axis}
        return shape, target, arguments
    option = ELEMENTWISE[loss]
    arguments = d.some(**{option: d.number(0.1, 0.9)}) if option else {}
    if loss == "BinaryCrossentropy":
        return shape, d.uniform(shape, 0, 1), {"from_logits": True, **arguments}
    return shape, d.normal(shape, 2), arguments


def record_keras(d, name):
    loss = d.choice(["SparseCategoricalCrossentropy", "CategoricalCrossentropy", *ELEMENTWISE])
    shape, target, arguments = keras_draw(d, loss)
    arguments.update(d.some(reduction=d.choice(["none", "sum", "sum_over_batch_size"])))
    axis = arguments.get("axis", -1) % len(shape)
    entries = shape[:axis] + shape[axis + 1:]
    extra = d.some(sample_weight=np.asarray(d.uniform(entries, 0, 2))) if d.either() else {}
    x = tf.constant(d.normal(shape, d.choice([1, 3, 300])))
    function = getattr(keras.losses, loss)(**doubles(arguments))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(tf.constant(target), x, **extra)
    case = {"name": f"{name}_{loss}", "loss": loss, "framework": "keras", "dtype": "float64",
            "arguments": arguments, "prediction": x.numpy(), "target": target, "extra": extra,
            "value": value.numpy()}
    if arguments.get("reduction") == "none":
        case["upstream"] = d.normal(value.shape)
    case["gradient"] = tape.gradient(value, x, case.get("upstream")).numpy()
    return case


def record(rng, name):
    d = Draw(rng)
    case = d.choice([record_torch, record_keras])(d, name)
    if not case["extra"]:
        del case["extra"]
    return "cases", case
