-- Makes the storage integration: the identity with which Snowflake reads the landing.
-- Safe to run again, and never to be replaced: a new integration has a new external
-- id, which the trust policy of the AWS role does not know. To change the role or the
-- location it is altered, which keeps the external id.

{% if is_on_s3 %}
    create storage integration if not exists {{ storage_integration }}
    type = external_stage
    storage_provider = 'S3'
    enabled = true
    storage_aws_role_arn = '{{ aws_role_arn }}'
    storage_allowed_locations = ('{{ landing_url }}')
    comment = 'Reads the Amplitude landing';

    alter storage integration {{ storage_integration }} set
    storage_aws_role_arn = '{{ aws_role_arn }}'
    enabled = true
    storage_allowed_locations = ('{{ landing_url }}');
{% else %}
    -- A folder, as the emulator has it, is read without one.
    select 'no integration for a folder' as status;
{% endif %}
