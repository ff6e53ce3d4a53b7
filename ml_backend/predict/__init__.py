"""From a task to a prediction: recipes, batching, images, the work queue."""
