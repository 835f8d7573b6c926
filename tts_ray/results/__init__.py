"""What a run leaves behind: Parquet is the truth, W&B a view of it."""
