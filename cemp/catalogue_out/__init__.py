"""The final catalogue: one definition of its columns, four file formats, finding table, checks."""
