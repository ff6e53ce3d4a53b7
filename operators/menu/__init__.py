"""One operator a file, and the panel: what a person sees in the App's menu."""
