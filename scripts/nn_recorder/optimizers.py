"""optimizers.json: steps of Keras', PyTorch's and TensorFlow 1's optimizers; clipping."""
import keras
import numpy as np
import tensorflow as tf
import torch

from .common import Draw, doubles

tf1 = tf.compat.v1


# Drawing: gradients that show where epsilon stands, and the arguments -----------------------------

def draw_gradients(d, shapes, steps):
    """Of the first: entry 0 is tiny, 1 always 0, 2 grows tenfold every step, 3 changes sign."""
    for step in range(steps):
        gradients = [np.asarray(d.normal(shape)) for shape in shapes]
        flat = gradients[0].reshape(-1)
        special = [1e-7 * (step + 1), 0.0, -0.004 * 10.0 ** step, (-1.0) ** step * abs(flat[-1])]
        flat[:len(special)] = special[:len(flat)]
        yield gradients


def adam_arguments(d):
    return {"beta_1": d.choice([0.0, 0.5, 0.9, 0.95]), "beta_2": d.choice([0.5, 0.9, 0.999]),
            "epsilon": d.choice([1e-8, 1e-7, 1e-3, 0.1]), **d.some(amsgrad=d.either())}


def keras_arguments(d, optimizer):
    arguments = {"learning_rate": d.choice([0.001, 0.01, 0.1, 0.5])}
    if optimizer == "SGD":
        arguments.update(d.some(momentum=d.choice([0.0, 0.5, 0.9]), nesterov=d.either()))
    if optimizer == "RMSprop":
        arguments.update(rho=d.choice([0.5, 0.9, 0.99]), epsilon=d.choice([1e-7, 1e-3]),
                         **d.some(momentum=d.choice([0.0, 0.5, 0.8]), centered=d.either()))
    if optimizer.startswith("Adam"):
        arguments.update(adam_arguments(d))
    if d.either(0.4):
        arguments["weight_decay"] = d.choice([0.0, 0.01, 0.3])
    if d.either(0.4):
        arguments[d.choice(["clipvalue", "clipnorm", "global_clipnorm"])] = d.number(0.2, 4)
    if d.either(0.3):
        arguments["gradient_accumulation_steps"] = d.integer(2, 4)
    return without_some(d, arguments)


def torch_arguments(d, optimizer):
    arguments = {"lr": d.choice([0.001, 0.01, 0.1, 0.5])}
    if optimizer == "SGD":
        arguments["momentum"] = d.choice([0.0, 0.5, 0.9])
        if arguments["momentum"] and d.either(0.4):
            arguments["nesterov"] = True
        elif d.either():
            arguments["dampening"] = d.choice([0.0, 0.3, 0.9])
    elif optimizer == "RMSprop":
        arguments.update(alpha=d.choice([0.5, 0.9, 0.99]), eps=d.choice([1e-8, 1e-3]),
                         **d.some(momentum=d.choice([0.0, 0.5, 0.8]), centered=d.either()))
    else:
        adam = adam_arguments(d)
        arguments.update(betas=[adam["beta_1"], adam["beta_2"]], eps=adam["epsilon"],
                         **{k: v for k, v in adam.items() if k == "amsgrad"})
    if d.either():
        arguments["weight_decay"] = d.choice([0.0, 0.01, 0.3])
    return without_some(d, arguments, also=("momentum",) if "nesterov" in arguments else ())


def tf1_arguments(d, optimizer):
    arguments = {"learning_rate": d.choice([0.001, 0.01, 0.1, 0.5])}
    if optimizer == "MomentumOptimizer":
        arguments.update(momentum=d.choice([0.0, 0.5, 0.9]), **d.some(use_nesterov=d.either()))
    if optimizer == "AdamOptimizer":
        adam = adam_arguments(d)
        arguments.update(beta1=adam["beta_1"], beta2=adam["beta_2"], epsilon=adam["epsilon"])
    return arguments


def without_some(d, arguments, also=()):
    """One argument in ten is left to its default."""
    return {k: v for k, v in arguments.items() if k in also or d.either(0.9)}


# Running ------------------------------------------------------------------------------------------

def run_keras(name, arguments, parameters, steps):
    variables = [keras.Variable(p, dtype="float64", name=f"p{i}") for i, p in enumerate(parameters)]
    optimizer = getattr(keras.optimizers, name)(**doubles(arguments))
    for option in ("beta_1", "beta_2", "epsilon", "rho", "momentum", "weight_decay"):
        if isinstance(getattr(optimizer, option, None), float):
            setattr(optimizer, option, np.float64(getattr(optimizer, option)))
    optimizer.build(variables)
    for slot in [optimizer._learning_rate] if "learning_rate" not in arguments else []:
        slot.assign(np.float64(round(float(slot.numpy()), 9)))
    for gradients in steps:
        optimizer.apply([tf.constant(g) for g in gradients])
        yield [v.numpy() for v in variables]
    slots = [{}, {}]
    for variable in optimizer.variables:
        prefix, _, slot = variable.name.partition("_")
        if prefix in ("p0", "p1"):
            slots[int(prefix[1:])][slot] = variable.numpy()
    yield slots


def run_torch(name, arguments, parameters, steps):
    variables = [torch.tensor(p, requires_grad=True) for p in parameters]
    options = {k: tuple(v) if k == "betas" else v for k, v in arguments.items()}
    optimizer = getattr(torch.optim, name)(variables, **options)
    for gradients in steps:
        for variable, gradient in zip(variables, gradients):
            variable.grad = torch.tensor(gradient)
        optimizer.step()
        yield [v.detach().numpy().copy() for v in variables]
    yield [{key: torch.as_tensor(value).numpy().astype(np.float64)
            for key, value in optimizer.state[v].items() if value is not None} for v in variables]


def run_tf1(name, arguments, parameters, steps):
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [tf1.Variable(p, dtype=tf.float64, use_resource=True) for p in parameters]
        feeds = [tf1.placeholder(tf.float64, p.shape) for p in parameters]
        optimizer = getattr(tf1.train, name)(**doubles(arguments))
        train = optimizer.apply_gradients(zip(feeds, variables))
        session.run(tf1.global_variables_initializer())
        for gradients in steps:
            session.run(train, dict(zip(feeds, gradients)))
            yield session.run(variables)
        yield [{slot: session.run(optimizer.get_slot(v, slot))
                for slot in optimizer.get_slot_names()} for v in variables]


FRAMEWORKS = {
    "keras": (["SGD", "RMSprop", "Adam", "AdamW"], keras_arguments, run_keras),
    "torch": (["SGD", "RMSprop", "Adam", "AdamW"], torch_arguments, run_torch),
    "tensorflow.compat.v1": (["GradientDescentOptimizer", "MomentumOptimizer", "AdamOptimizer"],
                             tf1_arguments, run_tf1),
}


def record_steps(d, name):
    framework = d.choice(["keras", "keras", "torch", "torch", "tensorflow.compat.v1"])
    optimizers, draw_arguments, run = FRAMEWORKS[framework]
    optimizer = d.choice(optimizers)
    arguments = draw_arguments(d, optimizer)
    shapes = [d.shape(1, 3), d.shape(0, 2)]
    parameters = [np.asarray(d.normal(shape)) for shape in shapes]
    gradients = list(draw_gradients(d, shapes, d.integer(3, 9)))
    *after, slots = run(optimizer, arguments, parameters, gradients)
    return {"name": f"{name}_{framework.rpartition('.')[2]}_{optimizer}", "optimizer": optimizer,
            "framework": framework, "dtype": "float64", "arguments": arguments,
            "parameters": parameters, "slots": slots,
            "steps": [{"gradients": g, "parameters": p} for g, p in zip(gradients, after)]}


# Clipping -----------------------------------------------------------------------------------------

def record_clipping(d, name):
    gradients = [np.asarray(d.normal(d.shape(0, 3), d.choice([0, 0.1, 1, 100]))) for _ in range(2)]
    tensors = [tf.constant(g) for g in gradients]
    kind, limit, norm = d.integer(0, 4), d.number(0.05, 5), None
    if kind == 0:
        function, arguments = "clip_by_value", {"clip_value_min": -d.number(0, 3),
                                                "clip_value_max": limit}
        clipped = [tf.clip_by_value(t, *doubles(list(arguments.values()))) for t in tensors]
    elif kind == 1:
        function, arguments = "clip_by_norm", {"clip_norm": limit}
        clipped = [tf.clip_by_norm(t, np.float64(limit)) for t in tensors]
    elif kind == 2:
        function, arguments = "clip_by_global_norm", {"clip_norm": limit}
        clipped, norm = tf.clip_by_global_norm(tensors, np.float64(limit))
    else:
        tensors = [torch.nn.Parameter(torch.tensor(g)) for g in gradients]
        for tensor in tensors:
            tensor.grad = tensor.detach().clone()
        if kind == 3:
            function, arguments = "clip_grad_value", {"clip_value": limit}
            torch.nn.utils.clip_grad_value_(tensors, limit)
        else:
            order = d.choice([1.0, 1.5, 2.0, 3.0, float("inf")])
            function, arguments = "clip_grad_norm", {"max_norm": limit, "norm_type": order}
            norm = torch.nn.utils.clip_grad_norm_(tensors, limit, order)
        clipped = [t.grad for t in tensors]
    case = {"name": f"{function}_{name}", "framework": "tensorflow" if kind < 3 else "torch",
            "arguments": arguments, "gradients": gradients, "clipped": [c.numpy() for c in clipped]}
    return case if norm is None else {**case, "norm": norm.numpy()}


def record(rng, name):
    d = Draw(rng)
    if d.either(0.2):
        return "clipping", record_clipping(d, name)
    return "cases", record_steps(d, name)
