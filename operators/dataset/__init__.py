"""FiftyOne's datasets: reading, writing, who made a label, the history of runs."""
