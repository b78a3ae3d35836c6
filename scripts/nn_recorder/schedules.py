"""schedules.json: learning rates of Keras' and PyTorch's schedules at every step."""
import types
import warnings

import keras
import numpy as np
import torch

from .common import Draw, doubles

warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")


def keras_arguments(d, schedule):
    rate = {"initial_learning_rate": d.choice([0.001, 0.1, 0.3, 1.0])}
    steps = {"decay_steps": d.integer(1, 12)}
    if schedule in ("ExponentialDecay", "InverseTimeDecay"):
        return {**rate, **steps, "decay_rate": d.number(0.1, 1.2),
                **d.some(staircase=d.either())}
    if schedule == "PiecewiseConstantDecay":
        boundaries = sorted({d.integer(0, 15) for _ in range(d.integer(1, 4))})
        return {"boundaries": boundaries, "values": [d.number(0, 1) for _ in range(
            len(boundaries) + 1)]}
    if schedule == "PolynomialDecay":
        return {**rate, **steps, **d.some(end_learning_rate=d.choice([0.0, 0.0001, 0.05, 0.4]),
                                          power=d.choice([0.5, 1.0, 2.0, 3.0]), cycle=d.either())}
    arguments = {**rate, **steps, **d.some(alpha=d.number(0, 1))}
    if d.either():
        arguments.update(warmup_target=d.number(0, 2), warmup_steps=d.integer(0, 6))
    return arguments


def keras_values(d, schedule, arguments):
    f = getattr(keras.optimizers.schedules, schedule)(**doubles(arguments))
    return {"values": np.array([float(f(step)) for step in range(d.integer(15, 40))])}


def plateau_metrics(d):
    metrics = 1.0 + np.cumsum(d.normal([d.integer(10, 40)], 0.05))
    return np.where(d.uniform(metrics.shape, 0, 1) < 0.5, np.round(metrics, 1), metrics)


def plateau_arguments(d):
    return {"base_lr": d.choice([0.001, 0.1, 0.5]), **d.some(factor=d.choice([0.1, 0.5, 0.9]),
                                                             patience=d.integer(0, 4),
                                                             cooldown=d.integer(0, 3),
                                                             min_lr=d.choice([0.0, 0.02]))}


def keras_plateau(d):
    arguments = {**plateau_arguments(d), **d.some(min_delta=d.choice([0.0, 1e-4, 0.1]),
                                                  mode=d.choice(["min", "max"]))}
    options = {"mode": "min", **{k: v for k, v in arguments.items() if k != "base_lr"}}
    callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", **options)
    optimizer = types.SimpleNamespace(learning_rate=np.float64(arguments["base_lr"]))
    callback._model = types.SimpleNamespace(optimizer=optimizer)
    callback.on_train_begin()
    metrics, values = plateau_metrics(d), [arguments["base_lr"]]
    for epoch, metric in enumerate(metrics):
        callback.on_epoch_end(epoch, {"loss": metric})
        values.append(float(optimizer.learning_rate))
    return arguments, {"values": np.array(values), "metrics": metrics}


def torch_arguments(d, schedule):
    base = {"base_lr": d.choice([0.001, 0.1, 0.5])}
    gamma = d.some(gamma=d.choice([0.1, 0.5, 0.9, 1.1]))
    if schedule == "StepLR":
        return {**base, "step_size": d.integer(1, 6), **gamma}
    if schedule == "MultiStepLR":
        milestones = sorted({d.integer(1, 15) for _ in range(d.integer(1, 4))})
        return {**base, "milestones": milestones, **gamma}
    if schedule == "ExponentialLR":
        return {**base, "gamma": d.number(0.3, 1.1)}
    steps = d.some(total_iters=d.integer(1, 9))
    if schedule == "ConstantLR":
        return {**base, **d.some(factor=d.number(0.1, 1)), **steps}
    if schedule == "LinearLR":
        return {**base, **d.some(start_factor=d.number(0.1, 1), end_factor=d.number(0, 1)), **steps}
    if schedule == "PolynomialLR":
        return {**base, **d.some(power=d.choice([0.5, 1.0, 2.0])), **steps}
    if schedule == "ReduceLROnPlateau":
        return {**plateau_arguments(d), **d.some(mode=d.choice(["min", "max"]),
                                                 threshold=d.choice([0.0, 1e-4, 0.1]),
                                                 threshold_mode=d.choice(["rel", "abs"]))}
    return {**base, "max_lr": d.number(0.1, 2), "total_steps": d.integer(5, 40), "momentum": 0.9,
            **d.some(pct_start=d.number(0.2, 0.5), anneal_strategy=d.choice(["cos", "linear"]),
                     div_factor=d.number(2, 30), final_div_factor=d.number(10, 1000),
                     three_phase=d.either(), base_momentum=d.number(0.5, 0.85),
                     max_momentum=d.number(0.85, 0.99))}


def torch_values(d, schedule, arguments):
    options = dict(arguments)
    momentum = options.pop("momentum", 0)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=options.pop("base_lr"), momentum=momentum)
    scheduler = getattr(torch.optim.lr_scheduler, schedule)(optimizer, **options)
    group, metrics = optimizer.param_groups[0], plateau_metrics(d)
    values, momenta = [group["lr"]], [group["momentum"]]
    plateau = schedule == "ReduceLROnPlateau"
    for step in range(len(metrics) if plateau else options.get("total_steps", 25) - 1):
        scheduler.step(*([metrics[step]] if plateau else []))
        values.append(group["lr"])
        momenta.append(group["momentum"])
    return {"values": np.array(values), **({"metrics": metrics} if plateau else {}),
            **({"momentum_values": np.array(momenta)} if momentum else {})}


KERAS = ["ExponentialDecay", "InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay",
         "CosineDecay", "CosineDecay", "ReduceLROnPlateau"]
TORCH = ["StepLR", "MultiStepLR", "ExponentialLR", "ConstantLR", "LinearLR", "PolynomialLR",
         "OneCycleLR", "OneCycleLR", "ReduceLROnPlateau", "ReduceLROnPlateau"]


def record(rng, name):
    d = Draw(rng)
    framework = d.choice(["keras", "torch"])
    schedule = d.choice(KERAS if framework == "keras" else TORCH)
    if framework == "torch":
        arguments = torch_arguments(d, schedule)
        recorded = torch_values(d, schedule, arguments)
    elif schedule == "ReduceLROnPlateau":
        arguments, recorded = keras_plateau(d)
    else:
        arguments = keras_arguments(d, schedule)
        recorded = keras_values(d, schedule, arguments)
    return "cases", {"name": f"{name}_{schedule}", "schedule": schedule, "framework": framework,
                     "arguments": arguments, **recorded}
