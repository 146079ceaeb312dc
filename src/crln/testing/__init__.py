"""Tests that every method passes, ours and yours; they run in seconds, on a processor."""

from crln.testing.device import OnDevice, WaitError, device, to_device
from crln.testing.methods import MethodTests
from crln.testing.patches import make_batch

__all__ = ["MethodTests", "OnDevice", "WaitError", "device", "make_batch", "to_device"]
