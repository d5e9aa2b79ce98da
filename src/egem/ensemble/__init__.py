"""Many experts, many cases: codes, training in batches, codebooks, the pruned search, results."""
