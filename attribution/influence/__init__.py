"""Influence measured inside a model: gradients, unlearning and retraining, judged by retraining."""
