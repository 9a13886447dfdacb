"""ChEBI-20, captions of molecules in its published form."""
