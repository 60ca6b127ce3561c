"""Tools of the house: they write code and run checks. Not installed with the package."""
