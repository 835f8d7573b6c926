"""The only home of ray: where engines live, how calls reach them, and how a run is put together."""
