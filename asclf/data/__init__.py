"""From recordings to batches: manifests, folds, shards, pipeline."""
