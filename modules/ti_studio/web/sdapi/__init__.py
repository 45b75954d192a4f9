"""`/sdapi/v1/`: REST with AUTOMATIC1111's routes, names and shapes. What it accepts and what it does with it is in
docs/rest.md."""
