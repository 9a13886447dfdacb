"""The modalities: molecules and proteins. Imports nothing."""
