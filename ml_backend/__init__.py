"""The Label Studio face: an ML backend that pre-annotates projects and answers clicks."""
