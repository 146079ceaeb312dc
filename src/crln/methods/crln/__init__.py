"""CRLN: prototypes, their relation to every voxel, and what both teach."""

from crln.methods.crln.method import CRLN

__all__ = ["CRLN"]
