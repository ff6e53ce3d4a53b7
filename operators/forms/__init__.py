"""Forms: parameters, recipes and choices drawn as FiftyOne's input fields, and read back."""
