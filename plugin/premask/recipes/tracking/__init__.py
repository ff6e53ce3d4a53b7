"""Objects through the frames of a clip: who was pointed at where, newcomers, mattes over time."""
