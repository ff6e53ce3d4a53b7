"""Forms: recipes and choices <-> FiftyOne's input fields, and what is said of the outcome."""
