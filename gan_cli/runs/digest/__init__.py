"""What a run folder holds, gathered for its report: with the model or, much quicker, without."""
