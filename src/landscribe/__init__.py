"""Landscribe: multi-label land-cover classification of satellite patches, from an archive to a registered model."""
