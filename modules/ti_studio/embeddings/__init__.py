"""What an embedding is: its record, its file layouts, safe reading, atomic writing, and the library of files."""
