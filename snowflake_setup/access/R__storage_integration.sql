-- Makes the storage integration: the identity with which Snowflake reads the landing.
-- Safe to run again, and never to be replaced: a new integration has a new external
-- id, which the trust policy of the AWS role does not know.
-- Needs a role that may create integrations.

create storage integration if not exists {{ storage_integration }}
type = external_stage
storage_provider = 'S3'
enabled = true
storage_aws_role_arn = '{{ aws_role_arn }}'
storage_allowed_locations = ('{{ landing_url.rstrip("/") }}/')
comment = 'Reads the Amplitude landing';
