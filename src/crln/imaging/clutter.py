"""What systems leave in folders, beside hidden files: Macs, NAS, Windows."""

from pathlib import Path

_CLUTTER = {
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "thumbs.db", "desktop.ini", "lost+found",
    "system volume information", "icon\r",
}  # fmt: skip


def is_clutter(path: Path) -> bool:
    """Whether a file or folder is hidden, or was left by a system rather than by a person."""
    return path.name.startswith(".") or path.name.lower() in _CLUTTER
