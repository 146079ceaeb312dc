"""Networks that compute each patch of a batch by itself."""

from typing import ClassVar

from torch import nn


class Patchwise(nn.Module):
    """A network whose result for a patch depends on that patch alone, but for its norms.

    So a batch may be computed in parts, as long as its 3D batch norms see the statistics of all of
    it. Which submodules a batch enters and leaves by is named here; what lies between works on
    any part of a batch. A network that does not say so is never computed in parts.

    Attributes:
        entries: take images (B, C, X, Y, Z) first.
        exits: give a tensor with a row for each patch; of a `ModuleList`, each of its items.
        lookups: read single voxels: take feature maps (B, C, X, Y, Z), several, and for each the
            flat indices (n,) into its (B, X, Y, Z). They are linear in the maps, and an index that
            is in none of them counts 0.
    """

    entries: ClassVar[tuple[str, ...]]
    exits: ClassVar[tuple[str, ...]]
    lookups: ClassVar[tuple[str, ...]] = ()
