"""Arrays -> pictures: grids, labelled sheets, animations, curves, comparisons. No model is known here."""
