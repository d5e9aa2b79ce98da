"""The method with `egem.core` alone: train three experts, classify, draw an imagination.

python examples/the_method.py
"""

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from egem import few_shot_split, load_dataset
from egem.core import training
from egem.core.classify import probabilities
from egem.core.config import SearchConfig, TrainingConfig
from egem.core.inversion import Expert, Targets, invert
from egem.core.lstm import LSTMDecoder
from egem.core.metric import METRICS, Scatter, factor

CLASSES, K = (0, 1, 3), 4
decoder, config, search = LSTMDecoder(n_cells=16), TrainingConfig(1500), SearchConfig()

# Digits as sequences of 8 rows; four training cases a class.
X, y = load_dataset("digits")
X, y = X[np.isin(y, CLASSES)].swapaxes(1, 2) / 16.0, y[np.isin(y, CLASSES)]
train, test = few_shot_split(y, k=K, seed=0)
X = X.astype(np.float32)  # (n, t, c)


@partial(jax.jit, static_argnums=1)
def fit(task, config):
    """Train one expert."""
    state, rate = training.init(decoder, task, config), training.Schedule.of(config)
    step = lambda i, state: training.update(decoder, state, task, i, rate(i), config)  # noqa: E731
    return jax.lax.fori_loop(0, config.n_updates, step, state).params


experts = []
for c in CLASSES:  # pairs of a one-hot code and a case, as in the paper
    cases, i, one = X[train][y[train] == c], jnp.arange(K), jnp.ones(K)
    pairs = training.Pairs(i, i, one, jnp.zeros((K, 0)), cases, np.ones(cases.shape, bool))
    params = fit(training.Task(jax.random.PRNGKey(c), jnp.eye(K), False, pairs, K), config)
    experts.append(Expert(params, np.full(K, 1 / K, np.float32), np.full(K, 10, np.float32)))

# Every expert searches for the codes of all test cases; the lowest score wins.
n, p = len(test), X[0].size
metric = METRICS["mse"](Scatter(np.zeros((p, 0)), np.zeros(0), 0.0, 0.05), p, 1.0)
seen = np.ones(X[test].shape, bool)
targets = Targets(X[test], seen, factor(metric, seen[0].ravel()), np.full(n, p, np.float32))
start = np.full((n, K), 1 / K, np.float32)
found = [jax.jit(partial(invert, decoder, e, targets, metric, search))(start) for e in experts]
p_class = probabilities(np.stack([each.at.score for each in found], axis=1), 5.0)
accuracy = np.mean(np.array(CLASSES)[p_class.argmax(axis=1)] == y[test])
print(f"{accuracy:.3f} of {n} unseen digits are recognised")

best = p_class[-1].argmax()
plt.imshow(decoder.decode(experts[best].params, found[best].code[-1], 8), cmap="gray_r")
plt.title(f"A {y[test][-1]}, as the expert of {CLASSES[best]} decodes it")
plt.savefig("imagination.png")
