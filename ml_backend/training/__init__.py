"""Start training: the command of whoever runs the server, in the background, one at a time."""
