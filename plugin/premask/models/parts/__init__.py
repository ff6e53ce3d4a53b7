"""What several families share: skeletons of adapters, and the steps that these are made of."""
