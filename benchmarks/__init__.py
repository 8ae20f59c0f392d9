"""What is claimed to be fast, measured. `make bench` runs all; figures are ratios in one run."""
