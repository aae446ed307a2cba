"""lrsearch finds a learning-rate schedule for a PyTorch training job, with evidence."""
