"""How good and how different: measures of masks and mattes."""
