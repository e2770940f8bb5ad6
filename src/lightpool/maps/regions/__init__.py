"""Sky regions: parsed, drawn on pixels, rotated, combined, and their extent on the sphere."""
