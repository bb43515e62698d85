"""Step 2: Snowflake loads what lands in S3, by auto-ingest pipes."""
