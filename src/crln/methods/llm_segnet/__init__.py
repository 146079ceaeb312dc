"""LLM-SegNet: two networks, and what a text says of the task."""

from crln.methods.llm_segnet.method import LLMSegNet

__all__ = ["LLMSegNet"]
