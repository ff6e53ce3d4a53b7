"""Clips <-> YouTube-VIS JSON: one record a track, with the run lengths of each frame or null."""

from premask.labels.ytvis.reader import is_ytvis as is_ytvis
from premask.labels.ytvis.reader import read_ytvis as read_ytvis
from premask.labels.ytvis.writer import write_ytvis as write_ytvis
