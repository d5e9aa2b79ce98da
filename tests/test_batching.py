"""Batches of fixed shapes: every index once, padded with copies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from egem.runtime.batching import batched_indices, bucket, grouped_batches, stack


@given(st.integers(0, 200), st.integers(1, 40))
def test_batches_cover_every_index_once_and_have_one_size(n, size):
    batches = batched_indices(n, size)
    assert all(len(batch) == size for batch in batches)
    joined = np.concatenate(batches) if batches else np.zeros(0, int)
    assert joined[:n].tolist() == list(range(n))
    assert (joined[n:] == n - 1).all() and len(joined) - n < size


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_buckets_are_large_enough_and_few(n, smallest):
    size = bucket(n, smallest)
    assert size >= n and (size == smallest or size < 2 * n)
    assert (size // smallest).bit_count() == 1 and size % smallest == 0


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 15))
def test_groups_are_of_one_expert_and_cover_every_pair(cases_per_expert, few_cases):
    expert = np.repeat(np.arange(len(cases_per_expert)), cases_per_expert)
    pairs = np.arange(len(expert)) + 100
    batches = grouped_batches(pairs, expert, few_cases, shape=(2, 8))
    assert {batch.shape for batch in batches} <= {(2, 8), (8, 1), (1, 1)}
    groups = [group - 100 for batch in batches for group in batch]
    assert all(len(set(expert[group])) == 1 for group in groups)
    assert set(np.concatenate(groups) + 100) == set(pairs)
    if not few_cases:
        assert {batch.shape for batch in batches} == {(2, 8)}


def test_trees_are_stacked_leaf_by_leaf():
    a, b = stack([(np.zeros(2), 1), (np.ones(2), 2)])
    assert a.tolist() == [[0, 0], [1, 1]] and b.tolist() == [1, 2]
