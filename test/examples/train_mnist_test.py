#!/usr/bin/env python3
"""train_mnist on small input: what it prints, what it refuses, and that a run which was killed or ended by
Ctrl-C goes on to the same bytes.

Usage: train_mnist_test.py TRAIN_MNIST
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

program = sys.argv[1]
SMALL = ["--data", "synthetic", "--model", "mlp", "--examples", "600"]
EPOCHS = 6


def run(*arguments, folder=None):
    return subprocess.run([program, *arguments], text=True, capture_output=True, check=False, cwd=folder)


class TrainMnist(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def test_quiet_leaves_the_final_lines(self):
        for model in ("mlp", "cnn"):
            with self.subTest(model=model):
                done = run("--data", "synthetic", "--model", model, "--examples", "300", "--epochs", "1",
                           "--quiet", folder=self.folder)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertRegex(done.stdout, r"\Atest accuracy: \d+\.\d\d %\nreloaded: identical\n\Z")
                self.assertTrue((self.folder / "mnist.lamina").exists())

    def test_it_learns_and_says_so(self):
        done = run(*SMALL, "--epochs", "5", folder=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\r", done.stdout)
        self.assertRegex(done.stdout, r"\Asynthetic digits: 600 training and 2000 test images; \d+ threads, seed 42")
        self.assertIn("input (1, 28, 28, 1)", done.stdout)
        self.assertEqual(len(re.findall(r"^epoch \d/5 .* val_accuracy", done.stdout, re.MULTILINE)), 5)
        accuracies = re.findall(r"accuracy(?: before saving| after reloading)?: (\d+\.\d\d) %", done.stdout)
        self.assertEqual(len(set(accuracies)), 1, accuracies)
        self.assertEqual(len(accuracies), 3)
        self.assertGreater(float(accuracies[0]), 90)
        self.assertEqual(done.stdout.splitlines()[-1], "reloaded: identical")

    def test_every_optimizer(self):
        for optimizer in ("adam", "adamw", "rmsprop"):
            done = run(*SMALL, "--epochs", "2", "--optimizer", optimizer, "--quiet", folder=self.folder)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertGreater(float(done.stdout.split()[2]), 50, optimizer)

    def test_errors_are_one_line(self):
        (self.folder / "file").write_text("no folder")
        refused = [
            (["--model", "rnn"], "--model"),
            (["--epochs", "0"], "[train_mnist] --epochs must be at least 1; got 0"),
            (["--epochs", "many"], "--epochs"),
            (["--batch-size", "-1"], "[train_mnist] --batch-size must be at least 1; got -1"),
            (["--examples", "0"], "[train_mnist] --examples must be at least 1; got 0"),
            (["--threads", "0"], "[set_threads]"),
            (["--learning-rate", "-1"], "max_learning_rate must be finite and at least 0; got -1"),
            (["--learning-rate", "1e30"], "[trainer] the loss must be finite"),
            (["--resume"], "[train_mnist] --resume needs --checkpoint-dir; got none"),
            (["--resume", "--checkpoint-dir", "nothing"], "nothing"),
            (["--checkpoint-dir", "file"], "file"),
            (["--save", "nothing/model.lamina"], "nothing/model.lamina"),
            (["--data", "nothing"], "nothing"),
            (["--unknown"], "--unknown"),
        ]
        for arguments, part in refused:
            with self.subTest(arguments=arguments):
                usual = {"--data": "synthetic", "--model": "mlp", "--examples": "300", "--epochs": "2"}
                usual.pop(arguments[0], None)
                done = run(*[word for pair in usual.items() for word in pair], *arguments, folder=self.folder)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"\Atrain_mnist: [^\n]+\n\Z")
                self.assertIn(part, done.stderr)

    def test_help(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("--model", "--epochs", "--batch-size", "--optimizer", "--learning-rate", "--threads",
                       "--seed", "--data", "--checkpoint-dir", "--resume", "--quiet"):
            self.assertIn(option, done.stdout)

    def result_of(self, folder):
        """Bytes of the model and of the last checkpoint."""
        last = sorted(folder.glob("checkpoint-*.lamina"))[-1]
        return (folder / "mnist.lamina").read_bytes(), last.read_bytes()

    def arguments(self, folder):
        return [*SMALL, "--epochs", str(EPOCHS), "--checkpoint-dir", str(folder)]

    def whole(self):
        folder = self.folder / "whole"
        self.assertEqual(run(*self.arguments(folder), "--quiet", "--threads", "1").returncode, 0)
        return self.result_of(folder)

    def ended_by(self, how, folder):
        """A run that gets the signal after its second epoch; its exit status."""
        with subprocess.Popen([program, *self.arguments(folder)], text=True, stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                if line.startswith("epoch 2/"):
                    process.send_signal(how)
                    break
            process.communicate()
            return process.returncode

    def test_a_killed_run_is_resumed_to_the_same_bytes(self):
        folder = self.folder / "killed"
        self.assertEqual(self.ended_by(signal.SIGKILL, folder), -signal.SIGKILL)
        self.assertFalse((folder / "mnist.lamina").exists())
        done = run(*self.arguments(folder), "--resume", "--quiet", "--threads", "2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(self.result_of(folder) == self.whole(), "other bytes")

    def test_control_c_ends_cleanly_and_is_resumed_to_the_same_bytes(self):
        folder = self.folder / "interrupted"
        self.assertEqual(self.ended_by(signal.SIGINT, folder), 130)
        self.assertGreater(len(list(folder.glob("checkpoint-*.lamina"))), 0)
        done = run(*self.arguments(folder), "--resume")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"resumed: {folder}", done.stdout)
        self.assertNotIn("epoch 1/", done.stdout)
        self.assertTrue(self.result_of(folder) == self.whole(), "other bytes")


# In the background of a shell Ctrl-C is ignored, by children too.
signal.signal(signal.SIGINT, signal.default_int_handler)
result = unittest.main(argv=[sys.argv[0]], exit=False).result
failed = len(result.failures) + len(result.errors)
print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
sys.exit(failed != 0)
