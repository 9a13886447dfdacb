"""The row that builders write and trainers read: a conversation about items, or a document."""
