"""Labels on their way between two hosts: what was sent, what came back, and whose word counts."""
