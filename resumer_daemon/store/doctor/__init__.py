"""The checks of `doctor`. `report` runs them all."""
