"""What any training runs on: devices that do what was asked, signals, processes that read rows, a lean start."""
