"""From the text of a solution to its answer, its group, its grade, and the answer that wins."""
