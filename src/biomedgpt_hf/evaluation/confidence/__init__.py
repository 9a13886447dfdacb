"""What a confidence is worth: fitted on answers whose references are known, and measured on others."""
