"""From operations to a durable row: the queue, the group, and the books that they change."""
