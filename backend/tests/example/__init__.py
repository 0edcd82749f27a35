"""The app that the documentation and these tests speak of: a live blog, and numbers. The demos may grow or go."""
