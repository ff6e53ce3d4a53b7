"""Clips as streams of frames: files of video, animated pictures, folders of frames."""
