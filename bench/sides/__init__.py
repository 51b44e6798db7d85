"""What is measured beside each other, and how."""
