"""Models and data sets as files: from folders and the Hub, and back."""
