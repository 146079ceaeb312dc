"""Which scans, and which of their slices, are worth a person's next hour."""

from crln.suggestion.spots import doubtful_spots
from crln.suggestion.suggest import Suggestion, suggest

__all__ = ["Suggestion", "doubtful_spots", "suggest"]
