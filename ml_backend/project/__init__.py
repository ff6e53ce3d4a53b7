"""What a project's label config means, and regions <-> prompts, predictions and annotations."""
