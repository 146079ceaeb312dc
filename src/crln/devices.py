"""Where to compute: a processor, an NVIDIA GPU, or Apple's."""

import torch

from crln.errors import CrlnError


def settle_device(name: str) -> torch.device:
    """The device of a name, as training and prediction take it.

    On Apple's GPUs torch computes on the processor what Metal cannot (`crln` sets
    PYTORCH_ENABLE_MPS_FALLBACK before torch is imported, unless it is set).

    Args:
        name: "auto" (an NVIDIA GPU, else Apple's, else the processor), "cpu", "cuda", "cuda:1",
            "mps".

    Raises:
        CrlnError: it is no such name, or this machine has no such device.
    """
    if name == "auto":
        return torch.device(next((kind for kind in ("cuda", "mps") if _found(kind)), "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise CrlnError(f"--device {name}: unknown; give auto, cpu, cuda or mps") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise CrlnError(f"--device {name}: not supported; give auto, cpu, cuda or mps")
    if not _found(device.type):
        kind, build = _WANTED[device.type]
        raise CrlnError(f"no {kind} device found; use --device cpu, or {build}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise CrlnError(
            f"--device {name}: {torch.cuda.device_count()} GPUs found, counted from 0; give another"
        )
    return device


_WANTED = {
    "cuda": ("CUDA", "install a CUDA build of torch"),
    "mps": ("Apple GPU (mps)", "run on macOS 14 or newer with Apple silicon"),
}


def _found(kind: str) -> bool:
    if kind == "mps":
        return torch.backends.mps.is_available()
    return kind == "cpu" or torch.cuda.is_available()
