"""ops.json: tensor ops of PyTorch; values, gradients and Hessian-vector products."""
import numpy as np
import torch

from .common import Draw

UNARY = {
    "neg": torch.neg, "exp": torch.exp, "square": torch.square, "sin": torch.sin,
    "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "erf": torch.erf,
    "expm1": torch.expm1, "log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal, "abs": torch.abs, "sign": torch.sign,
}
POSITIVE = {"log", "log1p", "sqrt", "rsqrt"}
BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
          "pow": torch.pow, "maximum": torch.maximum, "minimum": torch.minimum}
REDUCTION = {
    "sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin,
    "variance": lambda x, dim, keepdim: torch.var(x, dim, correction=0, keepdim=keepdim),
    "logsumexp": torch.logsumexp,
    "norm": lambda x, dim, keepdim: torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim),
}
FORMULAS = {
    "-sum(w * log_softmax(x, 1), 1)":
        lambda i: -torch.sum(i["w"] * torch.log_softmax(i["x"], 1), 1),
    "(x - mean(x, 0)) / sqrt(variance(x, 0) + 1e-3)":
        lambda i: (i["x"] - i["x"].mean(0)) / torch.sqrt(i["x"].var(0, correction=0) + 1e-3),
    "tanh(x w) v": lambda i: torch.tanh(i["x"] @ i["w"]) @ i["v"],
}
WITHOUT_SECOND = {"maximum", "minimum", "abs", "sign", "clip", "max", "min"}


# Each function draws inputs and arguments of one family of ops, and says what is computed.

def unary(d):
    op = d.choice(list(UNARY))
    x = d.normal(shape_of(d), d.choice([0.1, 1, 3]))
    if op in POSITIVE:
        x = np.abs(x) + 0.05
    return op, {"x": x}, {}, lambda i, a: UNARY[op](i["x"])


def shape_of(d):
    """Rank 0 to 4; now and then an extent of 0."""
    shape = d.shape(0, 4)
    if shape and d.either(0.05):
        shape[d.integer(0, len(shape) - 1)] = 0
    return shape


def broadcast_pair(d):
    """Two shapes that broadcast: axes replaced by 1, or dropped from the front of one of them."""
    whole = shape_of(d)
    shapes = [[1 if d.either(0.25) else e for e in whole] for _ in range(2)]
    shorter = d.integer(0, 1)
    shapes[shorter] = shapes[shorter][d.integer(0, len(whole)) if d.either(0.4) else 0:]
    return shapes


def binary(d):
    op = d.choice(list(BINARY))
    a, b = (d.normal(shape) for shape in broadcast_pair(d))
    if op == "pow":
        a = np.abs(a) + 0.1
    if op == "div":
        b = np.sign(b) * (np.abs(b) + 0.2)
    return op, {"a": a, "b": b}, {}, lambda i, _: BINARY[op](i["a"], i["b"])


def power(d):
    exponent = d.choice([0, 1, 2, 3, 4, -1, -2, 0.5, 1.5, -0.5, 2.5, 2.0, 3.0])
    x = d.normal(shape_of(d))
    if exponent != int(exponent):
        x = np.abs(x) + 0.1
    return "pow", {"x": x}, {"exponent": exponent}, lambda i, a: torch.pow(i["x"], a["exponent"])


def clip(d):
    low = d.number(-1.5, 0.5)
    arguments = {"minimum": low, "maximum": round(low + d.number(0, 2), 3)}
    x = d.normal(shape_of(d), 2)
    x = np.where(d.uniform(x.shape, 0, 1) < 0.2, arguments["maximum"], x)
    return "clip", {"x": x}, arguments, lambda i, a: torch.clamp(i["x"], a["minimum"], a["maximum"])


def reduction(d):
    op = d.choice(list(REDUCTION))
    x = d.normal(d.shape(1, 5), d.choice([0.5, 1, 20]))
    if op in ("max", "min") and d.either():
        x = np.round(x)  # ties
    if op == "variance" and d.either(0.3):
        x = x + 1000
    axis = None if op == "norm" and d.either() else d.axes(x.ndim)
    if axis is not None and len(axis) == 1 and d.either(0.3):
        axis = axis[0]
    arguments = {"axis": axis, "keepdims": d.either()}
    if op == "norm" and d.either():
        del arguments["keepdims"]

    def compute(i, a):
        dim = tuple(axis) if isinstance(axis, list) else axis
        return REDUCTION[op](i["x"], dim=dim, keepdim=a.get("keepdims", False))
    return op, {"x": x}, arguments, compute


def along(d):
    op = d.choice(["prod", "cumsum"])
    x = d.normal(d.shape(1, 4))
    if op == "prod" and d.either(0.4):
        x = np.round(x)  # zeros
    if op == "cumsum":
        return op, {"x": x}, {"axis": d.axis(x.ndim)}, lambda i, a: torch.cumsum(i["x"], a["axis"])
    return (op, {"x": x}, {"axis": d.axis(x.ndim), "keepdims": d.either()},
            lambda i, a: torch.prod(i["x"], a["axis"], a["keepdims"]))


def matmul(d):
    rows, inner, columns = (1 if d.either(0.2) else d.integer(1, 6) for _ in range(3))
    arguments = d.some(transpose_a=d.either(), transpose_b=d.either())
    batches = broadcast_pair(d) if d.either(0.6) else [[], []]
    a = [inner, rows] if arguments.get("transpose_a") else [rows, inner]
    b = [columns, inner] if arguments.get("transpose_b") else [inner, columns]

    def compute(i, options):
        a, b = (i[k].mT if options.get(f"transpose_{k}") else i[k] for k in "ab")
        return a @ b
    inputs = {"a": d.normal(batches[0][-2:] + a), "b": d.normal(batches[1][-2:] + b)}
    return "matmul", inputs, arguments, compute


def reshape(d):
    x = d.normal(d.shape(1, 4))
    shape, rest = [], x.size
    while rest > 1 and d.either(0.8):
        factor = d.choice([f for f in range(1, rest + 1) if rest % f == 0])
        shape.append(factor)
        rest //= factor
    shape.insert(d.integer(0, len(shape)), -1 if d.either() else rest)
    return "reshape", {"x": x}, {"shape": shape}, lambda i, a: i["x"].reshape(a["shape"])


def transpose(d):
    x = d.normal(d.shape(1, 5))
    permutation = d.axes(x.ndim, x.ndim)
    return ("transpose", {"x": x}, {"permutation": permutation},
            lambda i, a: i["x"].permute(a["permutation"]))


def sliced(d):
    x = d.normal(d.shape(1, 4, 8))
    begin = [d.integer(0, e - 1) for e in x.shape]
    end = [d.integer(b + 1, e) for b, e in zip(begin, x.shape)]
    arguments = {"begin": begin, "end": end}
    if d.either():
        arguments["step"] = [d.integer(1, 3) for _ in begin]
    if d.either(0.3):  # counted from the end, or past it
        arguments["begin"] = [b - e if d.either() else b for b, e in zip(begin, x.shape)]
        arguments["end"] = [v + 9 if v == e else v - e for v, e in zip(end, x.shape)]
    return "slice", {"x": x}, arguments, lambda i, a: i["x"][tuple(
        slice(*b) for b in zip(a["begin"], a["end"], a.get("step", [1] * len(a["begin"]))))]


def flip(d):
    x = d.normal(d.shape(1, 4))
    return "flip", {"x": x}, {"axis": d.axes(x.ndim)}, lambda i, a: torch.flip(i["x"], a["axis"])


def joined(d):
    op = d.choice(["concat", "stack"])
    shape, count = d.shape(1, 4), d.integer(1, 3)
    axis = d.axis(len(shape) + (op == "stack"))
    shapes = [list(shape) for _ in range(count)]
    if op == "concat":
        for s in shapes:
            s[axis] = d.integer(0 if d.either(0.1) else 1, 4)
    compute = torch.cat if op == "concat" else torch.stack
    return (op, dict(zip("abc", map(d.normal, shapes))), {"axis": axis},
            lambda i, a: compute([i[k] for k in sorted(i)], a["axis"]))


def pad(d):
    x = d.normal(d.shape(1, 4))
    arguments = {"paddings": [[d.integer(0, 2), d.integer(0, 2)] for _ in x.shape]}
    arguments.update(d.some(value=d.number(-2, 2)))
    return "pad", {"x": x}, arguments, lambda i, a: torch.nn.functional.pad(
        i["x"], [v for pair in reversed(a["paddings"]) for v in pair], value=a.get("value", 0.0))


def gather(d):
    x = d.normal(d.shape(1, 4))
    axis = d.axis(x.ndim)
    indices = d.integers(d.choice([[d.integer(1, 7)], [d.integer(1, 7)], d.shape(0, 2)]), 0,
                         x.shape[axis] - 1)

    def compute(i, a):
        chosen = torch.index_select(i["x"], a["axis"], i["indices"].reshape(-1))
        return chosen.unflatten(a["axis"], i["indices"].shape) if i["indices"].ndim else (
            chosen.squeeze(a["axis"]))
    return "gather", {"x": x, "indices": np.asarray(indices)}, {"axis": axis}, compute


def where(d):
    (a, b), (c, _) = broadcast_pair(d), broadcast_pair(d)
    try:
        np.broadcast_shapes(a, b, c)
    except ValueError:
        c = list(np.broadcast_shapes(a, b))
    inputs = {"condition": d.integers(c, 0, 1), "a": d.normal(a), "b": d.normal(b)}
    return "where", inputs, {}, lambda i, _: torch.where(i["condition"] != 0, i["a"], i["b"])


def repeated(d):
    if d.either():
        shape = d.shape(0, 4)
        x = d.normal([1 if d.either(0.4) else e for e in shape][d.choice([0, 0, 0, 1, 2]):])
        return ("broadcast_to", {"x": x}, {"shape": shape},
                lambda i, a: torch.broadcast_to(i["x"], a["shape"]))
    x = d.normal(d.shape(1, 4, 3))
    return ("tile", {"x": x}, {"multiples": [d.integer(1, 3) for _ in x.shape]},
            lambda i, a: torch.tile(i["x"], a["multiples"]))


def composition(d):
    formula = d.choice(list(FORMULAS))
    rows, columns = d.integer(1, 6), d.integer(1, 6)
    inputs = {"x": d.normal([rows, columns])}
    if formula.startswith("-sum"):
        inputs["w"] = d.uniform([rows, columns], 0, 1)
    if formula.startswith("tanh"):
        hidden = d.integer(1, 5)
        inputs.update(w=d.normal([columns, hidden]), v=d.normal([hidden, d.integer(1, 4)]))
    return "composition", inputs, {"formula": formula}, lambda i, a: FORMULAS[a["formula"]](i)


KINDS = [unary, unary, unary, binary, binary, binary, power, clip, reduction, reduction, reduction,
         along, along, matmul, matmul, reshape, transpose, sliced, sliced, flip, joined, joined,
         pad, gather, where, where, repeated, repeated, composition]


def record(rng, name):
    d = Draw(rng)
    op, inputs, arguments, compute = d.choice(KINDS)(d)
    inputs = {key: np.asarray(value) for key, value in inputs.items()}
    tensors = {key: torch.tensor(value, requires_grad=value.dtype.kind == "f")
               for key, value in inputs.items()}
    sources = {key: t for key, t in tensors.items() if t.requires_grad}
    y = compute(tensors, arguments)
    case = {"name": f"{name}_{op}", "op": op, "framework": "torch", "dtype": "float64",
            "arguments": arguments, "inputs": inputs, "output": y.detach().numpy(),
            "upstream": np.asarray(d.normal(list(y.shape)))}
    gradients = torch.autograd.grad(y, list(sources.values()), torch.tensor(case["upstream"]),
                                    create_graph=True)
    case["gradients"] = {k: g.detach().numpy() for k, g in zip(sources, gradients)}
    if op in WITHOUT_SECOND:
        return "cases", case
    case["directions"] = {k: np.asarray(d.normal(list(t.shape))) for k, t in sources.items()}
    along_directions = sum((g * torch.tensor(case["directions"][k])).sum()
                           for k, g in zip(sources, gradients))
    second = [None] * len(sources)
    if along_directions.requires_grad:
        second = torch.autograd.grad(along_directions, list(sources.values()), allow_unused=True)
    case["hessian_vector"] = {k: np.zeros(t.shape) if s is None else s.detach().numpy()
                              for (k, t), s in zip(sources.items(), second)}
    return "cases", case
