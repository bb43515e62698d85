-- Makes the user of the scheduled workflow: a service, without a password, that shows a
-- key or GitHub's identity token. It has one role at a time, loading or modelling.
-- Safe to run again; runs again when the key or the subject changes. What is not
-- set signs in no more.

create user if not exists {{ ci_user }}
    type = service
    default_role = {{ transformer_role }}
    default_warehouse = {{ warehouse }}
    default_secondary_roles = ()
    comment = 'The scheduled workflow of the Amplitude warehouse';

{% if ci_public_key %}
    alter user {{ ci_user }} set rsa_public_key = '{{ ci_public_key }}';
{% else %}
    alter user {{ ci_user }} unset rsa_public_key;
{% endif %}

{% if github_subject %}
    alter user {{ ci_user }} set workload_identity = (
        type = oidc
        issuer = 'https://token.actions.githubusercontent.com'
        subject = '{{ github_subject }}'
    );
{% else %}
    alter user {{ ci_user }} unset workload_identity;
{% endif %}

-- An error in a transaction undoes it all: no client that goes on after the error can
-- commit half of it.
alter user {{ ci_user }} set transaction_abort_on_error = true;

grant role {{ loader_role }} to user {{ ci_user }};
grant role {{ transformer_role }} to user {{ ci_user }};
