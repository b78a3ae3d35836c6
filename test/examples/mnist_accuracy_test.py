#!/usr/bin/env python3
"""train_mnist learns the real MNIST: seeds 1 to 5 of the convolutional network with its defaults, and of
the multi-layer perceptron with 5 epochs. Skipped where MNIST can neither be found nor fetched.

Usage: mnist_accuracy_test.py SOURCE_ROOT TRAIN_MNIST
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

source_root, program = Path(sys.argv[1]), sys.argv[2]
SEEDS = [1, 2, 3, 4, 5]
SECONDS_ALLOWED = 300  # one run of the convolutional network on two cores

fetched = subprocess.run([source_root / "scripts" / "fetch_mnist.sh"], text=True, stdout=subprocess.PIPE,
                         check=False)
if fetched.returncode != 0:
    print("MNIST can neither be found nor fetched")
    sys.exit(77)
data = fetched.stdout.strip()


def train(*arguments):
    """(accuracy in percent, seconds) of one run, which must reload its model to the same bits."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        output = subprocess.run([program, "--quiet", "--data", data, "--checkpoint-dir", folder, *arguments],
                                text=True, stdout=subprocess.PIPE, check=True).stdout
        seconds = time.monotonic() - start
    lines = output.splitlines()
    accuracy = re.fullmatch(r"test accuracy: (\d+\.\d+) %", lines[-2])
    if not accuracy or lines[-1] != "reloaded: identical":
        raise AssertionError(f"unexpected last lines:\n{output}")
    print(" ".join(arguments), f"{accuracy[1]} %, {seconds:.0f} s", flush=True)
    return float(accuracy[1]), seconds


class Accuracy(unittest.TestCase):
    def test_convolutional_network(self):
        runs = [train("--seed", str(seed)) for seed in SEEDS]
        accuracies = [accuracy for accuracy, _ in runs]
        self.assertGreaterEqual(statistics.median(accuracies), 99.0, accuracies)
        self.assertGreaterEqual(min(accuracies), 98.8, accuracies)
        if os.cpu_count() >= 2:
            self.assertLess(statistics.median(seconds for _, seconds in runs), SECONDS_ALLOWED)

    def test_threads_do_not_change_the_model(self):
        models = []
        for threads in ("1", "2"):
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run([program, "--quiet", "--data", data, "--checkpoint-dir", folder, "--threads", threads,
                                "--epochs", "1", "--examples", "3000"], stdout=subprocess.DEVNULL, check=True)
                models.append((Path(folder) / "mnist.lamina").read_bytes())
        self.assertTrue(models[0] == models[1], "two threads trained other bytes than one")

    def test_multi_layer_perceptron(self):
        accuracies = [train("--model", "mlp", "--epochs", "5", "--seed", str(seed))[0] for seed in SEEDS]
        self.assertGreaterEqual(statistics.median(accuracies), 97.8, accuracies)


result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
sys.exit(failed != 0)
