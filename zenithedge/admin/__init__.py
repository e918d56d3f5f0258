"""What every list of the admin has: bounded counts and pages, filters and searches by index, CSV, deletion."""
