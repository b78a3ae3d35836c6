#!/usr/bin/env python3
"""Records the files of this folder with the packages that lamina exchanges weights with.

Usage: record.py numpy|pytorch|keras [FOLDER]     (default: this folder)

numpy    numpy.npz, numpy_deflated.npz: arrays of every element type    (numpy 2.4.6)
pytorch  pytorch.safetensors: a trained network's state_dict;           (torch 2.13.0, safetensors 0.8.0)
         pytorch_io.npz: a batch x (N, C, H, W) and the network's y in evaluation
keras    keras.npz, keras.safetensors: variables by path;               (keras 3.15.1, tensorflow 2.21.0)
         keras_io.npz: a batch x (N, H, W, C) and y

Both networks: convolution 2 -> 3 channels (kernel 3 x 2, no padding), batch normalization, ReLU, flatten,
dense 3*H'*W' -> 4. They are trained for a few steps, so that no value is that of its initialization.
"""
import sys
from pathlib import Path

import numpy as np

ROWS, COLUMNS, CHANNELS, FILTERS, UNITS = 5, 4, 2, 3, 4
FEATURES = FILTERS * (ROWS - 2) * (COLUMNS - 1)


def record_numpy(folder):
    arrays = {
        "f4": np.array([[1, -0.0, np.inf], [4, 5, 6]], dtype=np.float32),
        "f8": np.array([-1, np.nan, 5e-324]),
        "group/i8": np.array(-(2**63), dtype=np.int64),
        "u1": (np.arange(300) % 7).astype(np.uint8).reshape(3, 100),
        "nothing": np.zeros((0, 5), dtype=np.float32),
    }
    np.savez(folder / "numpy.npz", **arrays)
    np.savez_compressed(folder / "numpy_deflated.npz", **arrays)


def record_pytorch(folder):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(CHANNELS, FILTERS, (3, 2)), torch.nn.BatchNorm2d(FILTERS), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(FEATURES, UNITS))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(7):
        x = torch.randn(16, CHANNELS, ROWS, COLUMNS) * 2 + 1
        loss = torch.nn.functional.cross_entropy(net(x), torch.arange(16) % UNITS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    x = torch.randn(3, CHANNELS, ROWS, COLUMNS)
    with torch.no_grad():
        y = net(x)
    save_file(net.state_dict(), folder / "pytorch.safetensors", {"format": "pt"})
    np.savez(folder / "pytorch_io.npz", x=x.numpy(), y=y.numpy())


def record_keras(folder):
    import keras
    from safetensors.numpy import save_file

    keras.utils.set_random_seed(1)
    layers = keras.layers
    net = keras.Sequential([
        layers.Input((ROWS, COLUMNS, CHANNELS)), layers.Conv2D(FILTERS, (3, 2)), layers.BatchNormalization(),
        layers.ReLU(), layers.Flatten(), layers.Dense(UNITS)])
    net.compile(optimizer=keras.optimizers.SGD(0.1),
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(1)
    x = (random.normal(size=(112, ROWS, COLUMNS, CHANNELS)) * 2 + 1).astype(np.float32)
    net.fit(x, np.arange(112) % UNITS, batch_size=16, verbose=0)
    variables = {variable.path: np.asarray(variable) for variable in net.weights}
    np.savez(folder / "keras.npz", **variables)
    save_file(variables, folder / "keras.safetensors")
    x = random.normal(size=(3, ROWS, COLUMNS, CHANNELS)).astype(np.float32)
    np.savez(folder / "keras_io.npz", x=x, y=np.asarray(net(x, training=False)))


if __name__ == "__main__":
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent
    {"numpy": record_numpy, "pytorch": record_pytorch, "keras": record_keras}[sys.argv[1]](target)
