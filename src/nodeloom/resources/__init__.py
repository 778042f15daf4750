"""What steps share: thread pools and clients, owned by the engine and closed with it."""
