"""Reports: the model, its forms, the daily round."""
