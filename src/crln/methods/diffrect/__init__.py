"""DiffRect: a diffusion model of labels that rectifies pseudo-labels."""

from crln.methods.diffrect.method import DiffRect

__all__ = ["DiffRect"]
