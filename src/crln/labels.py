"""Class indices as every room uses them."""

IGNORE = -1
"""Target of a voxel that no loss may count: outside the scan, or brought in by augmentation."""
