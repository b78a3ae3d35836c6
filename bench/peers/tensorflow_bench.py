#!/usr/bin/env python3
"""tensorflow_bench: what of lamina_bench TensorFlow is asked to do: whole training steps, and batch normalization
with the options that only it has. Every case as a tf.function and compiled by XLA; channels last, which is all that
TensorFlow's convolutions take on a CPU.

A name is lamina's with a variant behind it: training_step/mlp@xla. Needs tensorflow-cpu and tf-keras.
"""
import contextlib
import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from python_harness import checksum, class_labels, kernel_values, main, uniform_values  # noqa: E402

# As in support/shapes.hpp.
INPUT, OUTPUT_GRADIENT, SCALE, SHIFT, KERNELS, BATCH_INPUTS, BATCH_LABELS = 1, 2, 3, 4, 100, 200, 300
SHAPES = {"64x64x56x56": (64, 56, 56, 64), "128x32x28x28": (128, 28, 28, 32), "4096x128": (4096, 128)}
EPSILON, MOMENTUM = 1e-5, 0.9
BATCH, BATCHES, CHECKED_STEPS = 128, 8, 4
LEARNING_RATE, SGD_MOMENTUM = 0.01, 0.9

tf = None  # imported when something is measured: listing the cases takes no time


@contextlib.contextmanager
def silence():
    """TensorFlow greets on the standard error whatever its log level is; Python's own errors are printed later."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def start(threads):
    global tf
    with silence():
        import tensorflow
    tf = tensorflow
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def about(threads):
    return {"version": f"TensorFlow {tf.__version__}", "threads": f"{threads} in an op, 1 op at a time",
            "BLAS": "oneDNN and Eigen, its own", "allocator": "TensorFlow's, memory of glibc kept",
            "compiler": "the wheel's own; tf.function or XLA, by Python"}


# Batch normalization -------------------------------------------------------------------------------

def normalization(shape, fused, xla, **options):
    """Forward and backward of a layer that has seen one batch, as LayerRun does it."""
    from tf_keras.src.layers.normalization.batch_normalization_v1 import BatchNormalization
    x = tf.constant(uniform_values(INPUT, shape))
    seed = tf.constant(uniform_values(OUTPUT_GRADIENT, shape))
    layer = BatchNormalization(axis=-1, momentum=MOMENTUM, epsilon=EPSILON, fused=fused, **options)
    layer(x, training=True)

    @tf.function(jit_compile=xla)
    def step(x, seed):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return tape.gradient(y, [x, layer.gamma, layer.beta], seed)

    last = {}

    def run():
        last["gradients"] = step(x, seed)

    def check():
        return {f"gradient {i}": checksum(value) for i, value in enumerate(last["gradients"])}

    return run, check


def adjustment(channels):
    scale, bias = uniform_values(SCALE, (channels,), 0.5, 1.5), uniform_values(SHIFT, (channels,))
    return lambda shape: (tf.constant(scale), tf.constant(bias))


def normalization_cases():
    cases = {}
    for name, shape in SHAPES.items():
        options = {"renorm": lambda shape: {"renorm": True},
                   "adjustment_per_channel": lambda shape: {"adjustment": adjustment(shape[-1])},
                   "virtual_batch_size_16": lambda shape: {"virtual_batch_size": 16}}
        for option, arguments in options.items():
            for xla in (False, True):
                cases[f"batch_normalization_options/{name}/{option}@{'xla' if xla else 'function'}"] = \
                    lambda s=shape, a=arguments, j=xla: normalization(s, False, j, **a(s))
        for fused in (True, False) if len(shape) == 4 else (False,):
            for xla in (False, True):
                variant = ("fused" if fused else "not_fused") + ("_xla" if xla else "")
                cases[f"batch_normalization_options/{name}/plain@{variant}"] = \
                    lambda s=shape, f=fused, j=xla: normalization(s, f, j)
    return cases


# Training ------------------------------------------------------------------------------------------

class Network:
    """A network written with TensorFlow's functions; its variables are made in the order of use."""

    def __init__(self, forward):
        self.forward = forward
        self.trainable, self.other = [], []
        self.kernels = 0
        self.replay = None

    def variable(self, make, trainable=True):
        """The next variable: made in the first call, the same in every other."""
        if self.replay is not None:
            return next(self.replay)
        made = tf.Variable(make(), trainable=trainable)
        self.other.append(made)
        if trainable:
            self.trainable.append(made)
        return made

    def __call__(self, x):
        self.replay = iter(self.other) if self.other else None
        return self.forward(self, x)

    def kernel(self, *shape):
        stream = KERNELS + self.kernels
        self.kernels += 1
        return self.variable(lambda: kernel_values(stream, shape))

    def dense(self, x, units, bias):
        x = tf.matmul(x, self.kernel(x.shape[-1], units))
        return x + self.variable(lambda: tf.zeros(units)) if bias else x

    def convolution(self, x, filters):
        return tf.nn.conv2d(x, self.kernel(5, 5, x.shape[-1], filters), 1, "SAME")

    def normalization_relu(self, x):
        channels = x.shape[-1]
        gamma, beta = (self.variable(lambda v=value: tf.fill([channels], v)) for value in (1.0, 0.0))
        moving = [self.variable(lambda v=value: tf.fill([channels], v), False) for value in (0.0, 1.0)]
        image = x if len(x.shape) == 4 else tf.reshape(x, [-1, 1, 1, channels])
        y, mean, variance = tf.raw_ops.FusedBatchNormV3(
            x=image, scale=gamma, offset=beta, mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32), epsilon=EPSILON, is_training=True)[:3]
        for old, new in zip(moving, (mean, variance)):
            old.assign_sub((1 - MOMENTUM) * (old - new))
        return tf.nn.relu(y if len(x.shape) == 4 else tf.reshape(y, [-1, channels]))


def mlp(net, x):
    for _ in range(2):
        x = net.normalization_relu(net.dense(x, 512, False))
    return net.dense(x, 10, True)


def cnn(net, x):
    for filters in (32, 64):
        x = tf.nn.max_pool2d(net.normalization_relu(net.convolution(x, filters)), 2, 2, "VALID")
    x = tf.reshape(x, [-1, 7 * 7 * 64])
    return net.dense(net.normalization_relu(net.dense(x, 1024, False)), 10, True)


def tiny(net, x):
    return net.dense(tf.nn.relu(net.dense(x, 8, True)), 2, True)


def training(forward, shape, classes, xla):
    net = Network(forward)
    inputs = [tf.constant(uniform_values(BATCH_INPUTS + i, shape)) for i in range(BATCHES)]
    labels = [tf.constant(class_labels(BATCH_LABELS + i, shape[0], classes)) for i in range(BATCHES)]
    net(inputs[0])  # makes the variables
    velocities = [tf.Variable(tf.zeros_like(variable)) for variable in net.trainable]

    @tf.function(jit_compile=xla)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=net(x)))
        for variable, velocity, gradient in zip(net.trainable, velocities, tape.gradient(loss, net.trainable)):
            tf.raw_ops.ResourceApplyMomentum(var=variable.handle, accum=velocity.handle, lr=LEARNING_RATE,
                                             grad=gradient, momentum=SGD_MOMENTUM)
        return loss

    state = {"steps": 0}

    def run():
        batch = state["steps"] % BATCHES
        state["steps"] += 1
        state["loss"] = float(step(inputs[batch], labels[batch]))

    def check():
        checks = {}
        for number in range(1, CHECKED_STEPS + 1):
            checks[f"loss {number}"] = [state["loss"], state["loss"]]
            if number < CHECKED_STEPS:
                run()
        return checks

    return run, check


def training_cases():
    cases = {}
    for name, forward, shape, classes in (("mlp", mlp, (BATCH, 784), 10), ("cnn/nhwc", cnn, (BATCH, 28, 28, 1), 10),
                                          ("4_8_2", tiny, (16, 4), 2)):
        for xla in (False, True):
            cases[f"training_step/{name}@{'xla' if xla else 'function'}"] = \
                lambda f=forward, s=shape, c=classes, j=xla: training(f, s, c, j)
    return cases


if __name__ == "__main__":
    main("tensorflow", {**normalization_cases(), **training_cases()}, start, about)
