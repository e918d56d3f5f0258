"""A database as a busy site has it after a month, for trials: made up, but consistent with every rule of the code."""
