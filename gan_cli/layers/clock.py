"""The clock of networks that change as training goes on: that grow, or fade something in."""

from flax import nnx


class Clock(nnx.Variable):
    """The steps of training done, int32 []: `self.clock = Clock(jnp.int32(0))`.

    `Nets` sets it in training; it stays with the weights, so that samplers, exports and files of weights need to be
    told nothing. What depends on it goes through `lax.cond`, one for each level: of a switch over levels all branches
    would be compiled beside each other.
    """
