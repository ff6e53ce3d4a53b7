"""BiRefNet: its adapter, and the network, written anew so that no code has to be downloaded."""
