"""What a person finds in the App's menu: one operator a file."""
