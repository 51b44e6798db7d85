"""The built-in demo model: fixed rules, no network, and it says so wherever it answers."""
