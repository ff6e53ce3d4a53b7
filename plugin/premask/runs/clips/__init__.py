"""Work on clips: passes over their frames that resume, what was found in each, into a folder."""
