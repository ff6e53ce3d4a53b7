"""From a task or a click to a prediction: recipes, model version, images, batches, the queue."""
