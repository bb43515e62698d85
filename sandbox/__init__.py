"""What stands in for the accounts: sample export, Export API, S3 and Snowflake."""
