#!/usr/bin/env python3
"""Record random cases of ops, layers, losses, optimizers and the rest as golden vectors.

Draws arguments, shapes and numbers, lets Keras, TensorFlow or PyTorch compute them, and writes
them in the format of test/golden/nn/README.md, one file per family. The same seed gives the same
cases. Needs the packages tensorflow-cpu, keras and torch (the recorded vectors come from 2.21.0,
3.15.1 and 2.13.0); lamina itself needs none of them.

    python3 scripts/record_nn.py --count 300 --seed 1 FOLDER
    LAMINA_GOLDEN_DIR=FOLDER build/test/golden_test
"""
import argparse
import importlib
import json
import os
import pathlib
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import torch  # noqa: E402
from nn_recorder.common import jsonable  # noqa: E402

# Every list of a file is written, also an empty one.
FAMILIES = {"ops": ["cases"], "activations": ["cases"], "losses": ["cases"], "layers": ["cases"],
            "optimizers": ["cases", "clipping"], "schedules": ["cases"],
            "initializers": ["exact", "random", "orthogonal"], "training": ["cases"]}
VERSIONS = {"tensorflow": tf.__version__, "keras": keras.__version__, "torch": torch.__version__,
            "numpy": np.__version__}


def record_family(family, seed, count):
    module = importlib.import_module(f"nn_recorder.{family}")
    lists = {name: [] for name in FAMILIES[family]}
    for number in range(count):
        name = f"random_{seed}_{number}"
        rng = np.random.default_rng([seed, list(FAMILIES).index(family), number])
        try:
            kind, case = module.record(rng, name)
        except Exception as error:
            error.add_note(f"in case {name} of {family}")
            raise
        lists[kind].append(json.dumps(jsonable(case)))
    return lists


def write_family(path, family, lists):
    """One case per line."""
    parts = [f'"family": {json.dumps(family)}', f'"versions": {json.dumps(VERSIONS)}']
    for name, cases in lists.items():
        parts.append(f'"{name}": [' + ",".join(f"\n{case}" for case in cases) + "\n]")
    path.write_text("{" + ",\n".join(parts) + "}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("folder", type=pathlib.Path, help="gets nn/*.json")
    parser.add_argument("--count", type=int, default=300, help="cases per family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", choices=FAMILIES, action="append", help="default: all")
    options = parser.parse_args()
    folder = options.folder / "nn"
    folder.mkdir(parents=True, exist_ok=True)
    keras.config.set_floatx("float64")
    warnings.simplefilter("ignore")  # Keras doubts axes and classes of extent 1
    for family in options.family or FAMILIES:
        lists = record_family(family, options.seed, options.count)
        write_family(folder / f"{family}.json", family, lists)
        print(f"{options.count} cases in {folder / family}.json")


if __name__ == "__main__":
    main()
