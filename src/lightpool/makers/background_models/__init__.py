"""Background models from data: sums of counts and exposure of many runs, and tables of rates made of them."""
