"""Taking a model away: programs that run without this package, weights as plain files, a model card, the Hub."""
