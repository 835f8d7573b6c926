"""The only home of vllm, torch and transformers: engines that propose and score."""
