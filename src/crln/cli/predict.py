"""crln predict: outline scans with a trained model."""
