"""What a person wants to know of a run, of data and of this machine, without training: read, counted, said."""
