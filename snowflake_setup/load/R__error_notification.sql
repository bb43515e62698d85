-- Tells an SNS topic of files that do not load, if one is set; else it does nothing.
-- Safe to run again: an integration that exists is left as it is.

{% if error_topic_arn %}
    create notification integration if not exists {{ error_integration }}
    enabled = true
    type = queue
    direction = outbound
    notification_provider = aws_sns
    aws_sns_topic_arn = '{{ error_topic_arn }}'
    aws_sns_role_arn = '{{ error_role_arn }}'
    comment = 'Errors of the pipes that load the Amplitude landing';

    alter pipe {{ raw_database }}.{{ raw_schema }}.event_lines_pipe
    set error_integration = {{ error_integration }};
    alter pipe {{ raw_database }}.{{ raw_schema }}.ledger_pipe
    set error_integration = {{ error_integration }};
{% else %}
    select 'no topic for load errors is set' as status;
{% endif %}
