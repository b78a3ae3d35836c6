#!/usr/bin/env python3
"""Weights to and from the Python packages safetensors, numpy, torch and keras themselves.

Usage: interchange_packages_test.py LAMINA_CHECKPOINT INTERCHANGE_PROGRAM SOURCE_ROOT

What cannot be imported is skipped, and said so. LAMINA_PYTHON names another interpreter that has them.
"""
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

other = os.environ.get("LAMINA_PYTHON")
if other and not os.environ.get("LAMINA_PYTHON_RUNS"):
    os.execve(other, [other, *sys.argv], {**os.environ, "LAMINA_PYTHON_RUNS": "1"})

checkpoint_tool, program, source_root = sys.argv[1], sys.argv[2], Path(sys.argv[3])
TOLERANCE = 1e-5


def needs(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def run(*arguments):
    return subprocess.run([*map(str, arguments)], text=True, capture_output=True, check=True).stdout


class Packages(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def record(self, what):
        script = source_root / "test" / "golden" / "interchange" / "record.py"
        run(sys.executable, script, what, self.folder)

    @needs("numpy")
    def test_numpy_reads_npz(self):
        import numpy as np
        self.record("numpy")
        expected = np.load(self.folder / "numpy.npz")
        for options in ([], ["--compress"]):
            run(checkpoint_tool, "convert", self.folder / "numpy_deflated.npz", self.folder / "out.npz", *options)
            found = np.load(self.folder / "out.npz")
            self.assertEqual(sorted(found), sorted(expected))
            for name in expected:
                self.assertEqual((found[name].dtype, found[name].tobytes()), (expected[name].dtype, expected[name].tobytes()))
                self.assertEqual(found[name].shape, expected[name].shape)

    @needs("numpy", "safetensors")
    def test_safetensors_reads_safetensors(self):
        import numpy as np
        from safetensors.numpy import load_file, save_file
        self.record("numpy")
        expected = np.load(self.folder / "numpy.npz")
        run(checkpoint_tool, "convert", self.folder / "numpy.npz", self.folder / "out.safetensors")
        found = load_file(self.folder / "out.safetensors")
        self.assertEqual(sorted(found), sorted(expected))
        for name in expected:
            self.assertEqual((found[name].dtype, found[name].shape, found[name].tobytes()),
                             (expected[name].dtype, expected[name].shape, expected[name].tobytes()))
        save_file(found, self.folder / "back.safetensors", {"a": "b"})
        run(checkpoint_tool, "diff", self.folder / "back.safetensors", self.folder / "numpy.npz")

    def answers(self, framework):
        """What lamina answers with weights that the framework trained."""
        distance = float(run(program, "answer", framework, self.folder / f"{framework}.safetensors",
                             self.folder / f"{framework}_io.npz"))
        print(f"{framework} -> lamina: largest distance {distance:.3g}")
        self.assertLess(distance, TOLERANCE)

    def compare(self, framework, y, expected):
        distance = float(abs(y - expected).max())
        print(f"lamina -> {framework}: largest distance {distance:.3g}")
        self.assertLess(distance, TOLERANCE)

    @needs("numpy", "safetensors", "torch")
    def test_pytorch(self):
        import numpy as np
        import torch
        from safetensors.torch import load_file
        self.record("pytorch")
        self.answers("pytorch")
        run(program, "train", "pytorch", self.folder / "w.safetensors", self.folder / "io.npz")
        net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, (3, 2)), torch.nn.BatchNorm2d(3), torch.nn.ReLU(),
                                  torch.nn.Flatten(), torch.nn.Linear(27, 4))
        net.load_state_dict(load_file(self.folder / "w.safetensors"))
        net.eval()
        pair = np.load(self.folder / "io.npz")
        with torch.no_grad():
            self.compare("pytorch", net(torch.from_numpy(pair["x"])).numpy(), pair["y"])

    @needs("numpy", "safetensors", "keras")
    def test_keras(self):
        import keras
        import numpy as np
        from safetensors.numpy import load_file
        self.record("keras")
        self.answers("keras")
        run(program, "train", "keras", self.folder / "w.safetensors", self.folder / "io.npz")
        layers = keras.layers
        net = keras.Sequential([layers.Input((5, 4, 2)), layers.Conv2D(3, (3, 2)), layers.BatchNormalization(),
                                layers.ReLU(), layers.Flatten(), layers.Dense(4)])
        weights = load_file(self.folder / "w.safetensors")
        for variable in net.weights:
            variable.assign(weights.pop(variable.path.removeprefix("sequential/")))
        self.assertEqual(weights, {})
        pair = np.load(self.folder / "io.npz")
        self.compare("keras", np.asarray(net(pair["x"], training=False)), pair["y"])


result = unittest.main(argv=[sys.argv[0], "-v"], exit=False).result
failed = len(result.failures) + len(result.errors)
skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed{skipped}")
sys.exit(failed != 0)
