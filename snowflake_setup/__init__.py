"""Step 2: what lands in S3 loads itself into Snowflake."""
