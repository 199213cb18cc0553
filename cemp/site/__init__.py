"""The paper to read without running it: a folder of pages made from what is committed."""
