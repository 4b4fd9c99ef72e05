"""What a person or a program sees: results on stdout; progress, messages and questions on stderr.

Import from the modules: `output` (results and messages), `progress`, `confirm`, `formatting`.
"""
