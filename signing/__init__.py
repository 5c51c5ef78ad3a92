"""Signs and verifies documents."""
