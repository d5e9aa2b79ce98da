"""The check of a decoder of the user's own, before it is trained."""

import jax
import jax.numpy as jnp
import numpy as np

from egem.core.lstm import LSTMDecoder
from egem.data.preparation import Batch
from egem.ensemble.codes import Recipe, case_size

N_CODES = 2  # of the batch that is tried


def check_decoder(recipe: Recipe, batch: Batch) -> None:
    """Refuse a decoder that does not decode to sequences like the cases; nothing is computed.

    Raises
    ------
    ValueError
        Naming the method, what it returns and what it must return.
    """
    decoder, (_, n_steps, n_channels) = recipe.decoder, batch.values.shape
    if type(decoder) is LSTMDecoder:
        return
    code_size = case_size(batch.n_cases, recipe)

    def returned(decode, codes):
        params = decoder.init(jax.random.PRNGKey(0), code_size, n_channels)
        return decode(params, codes, n_steps)

    sequence = n_steps, n_channels
    for method, n, words in (
        ("decode", (), "(n_steps, n_channels)"),
        ("decode_batch", (N_CODES,), "(n_codes, n_steps, n_channels)"),
    ):
        codes = jax.ShapeDtypeStruct((*n, code_size), np.float32)
        found = jax.eval_shape(lambda z, name=method: returned(getattr(decoder, name), z), codes)
        says = f"a {type(found).__name__}"
        if isinstance(found, jax.ShapeDtypeStruct):
            if found.shape == (*n, *sequence) and jnp.issubdtype(found.dtype, jnp.floating):
                continue
            says = f"{found.dtype} of shape {found.shape}"
        raise ValueError(
            f"decoder: {method} of {type(decoder).__name__} returns {says}; it must return floats "
            f"of shape {words}, here {(*n, *sequence)}."
        )
