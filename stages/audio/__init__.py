"""What several stages do with sound: rates, pitch, and how it is written down."""
