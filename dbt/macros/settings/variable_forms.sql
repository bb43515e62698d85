{#- What each variable must be, and an example. -#}
{%- macro variable_forms() -%}
    {%- set a_name = "a name of letters, digits, _ and $" -%}
    {%- set variables = {
        "amplitude_database": ["null or " ~ a_name, "raw"],
        "amplitude_schema": ["null or " ~ a_name, "amplitude"],
        "amplitude_events_identifier": [a_name, "events"],
        "amplitude_ledger_identifier": [a_name, "ledger"],
        "amplitude_merges_identifier": [a_name, "merges"],
        "duplicate_window_days": ["null or a number from 0 to 10000", "7"],
        "stitch_anonymous_users": ["true or false", "true"],
        "use_merges": ["true or false", "false"],
        "use_time_spine": ["true or false", "true"],
        "reporting_timezone": ["the name of a time zone", "America/New_York"],
        "calendar_starts_on": ["null or a day", "2024-01-01"],
        "retention_days": ["a whole number from 0 to 10000", "90"],
        "lifetime_value_days": ["a whole number from 0 to 10000", "365"],
        "inactive_event_types": ["a list, each item a text", "[Push Sent, Push Opened]"],
        "longest_session_hours": ["a number above 0, up to 10000", "24"],
        "excluded_traffic": ["a list, each item bot or internal", "[bot, internal]"],
        "traffic_rules": ["a list, each item a rule with kind, field and pattern",
            '[{kind: internal, field: amplitude_user_id, pattern: "%@example.com"}]'],
        "channel_rules": ["a list, each item a rule with a channel and its conditions",
            "[{channel: Partners, medium: partner}]"],
        "channel_sources": ["a list, each item a source with its category",
            "[{source: news.example.com, category: social}]"],
        "personal_columns": ["columns and properties by name, each omit or hash (numbers: omit)",
            "{ip_address: omit, user_properties.email: hash}"],
        "masking_rules": ["a list, each item a pattern and its mask",
            '[{pattern: "[0-9]{5,}", mask: ":number"}]'],
        "report_minimum_users": ["a whole number from 0 on", "5"],
        "projects": ["a list, each item the id of a project", '["100500123"]'],
        "unparsed_lines_allowed": ["a whole number from 0 on", "2"],
        "too_large_hours_accepted": ["a list, each item an upload hour of a project",
            '["100500123/2026-01-31 05:00:00"]'],
        "cluster_tables": ["true or false", "true"],
        "rebuild_changed_models": ["true or false", "true"],
        "build_lock_minutes": ["a number above 0, up to 10000", "120"],
        "override_build_lock": ["true or false", "false"],
        "attribution_window_days": ["a number from 0 to 10000", "30"],
        "drift_share_allowed": ["a share from 0 to 1", "0.05"],
        "drift_rows_allowed": ["a whole number from 0 on", "20"],
        "funnels": ["values by name", "{help: {order: this, window_hours: 24, steps: […]}}"],
    } -%}
    {%- set funnel = {
        "order": ["this or any", "this"],
        "window_hours": ["a number above 0, up to 10000", "24"],
        "steps": ["one step or more", "[{name: Help page, event_type: Page Viewed}]"],
    } -%}
    {%- set step = {
        "name": ["a text", "Help page"],
        "event_type": ["a text, or a list of such", "Page Viewed"],
        "where": ["null or values by name", "{page_path: /help/}"],
        "properties": ["null or values by name", "{plan: [pro, team]}"],
    } -%}
    {{ return({"variables": variables, "funnel": funnel, "step": step}) }}
{%- endmacro -%}

{%- macro invalid_values(values, forms, place="") -%}
    {%- set faults, given = [], dict.fromkeys(forms) -%}
    {%- do given.update(values if values is mapping else {}) -%}
    {%- for name, value in given.items() -%}
        {%- set shown = "null" if value is none else '"' ~ value ~ '"' if value is string
            else value -%}
        {#- Variables of own models are not known here. -#}
        {%- if place == "" and name.startswith("own_") -%}
        {%- elif name not in forms -%}
            {%- do faults.append(place ~ name ~ " is not known; the nearest known name is "
                ~ nearest_name(name, forms)) -%}
        {%- elif not has_form(value, forms[name][0]) -%}
            {%- do faults.append(place ~ name ~ " is " ~ shown ~ "; it must be " ~ forms[name][0]
                ~ ", such as " ~ name ~ ": " ~ forms[name][1]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(faults) }}
{%- endmacro -%}

{%- macro invalid_funnels(funnels) -%}
    {%- set faults = [] -%}
    {%- for name, funnel in funnels.items() -%}
        {%- set place = "funnels." ~ name -%}
        {%- do faults.append(place
            ~ " is not a name for a funnel; it must be a text without | : ' and \\")
            if name is not string or modules.re.search("[|:'\\\\]", name) -%}
        {%- do faults.extend(invalid_values(funnel, variable_forms().funnel, place ~ ".")) -%}
        {%- for step in (funnel.steps if has_simple_form(funnel.steps, "one step or more")
            else []) -%}
            {%- do faults.extend(invalid_steps(step, place ~ ".steps[" ~ loop.index ~ "].")) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(faults) }}
{%- endmacro -%}

{#- The columns of models are known only after all of them were parsed. -#}
{%- macro invalid_steps(step, place) -%}
    {%- set faults, form = invalid_values(step, variable_forms().step, place),
        ["a text, number, true or false, or a list of such", "/help/"] -%}
    {%- for part in ["where", "properties"] if step is mapping and step[part] is mapping -%}
        {%- do faults.extend(invalid_values(step[part], dict.fromkeys(step[part], form), place
            ~ part
            ~ ".")) -%}
    {%- endfor -%}
    {%- set where = step.where if step.where is mapping else {} -%}
    {%- set events = graph.nodes.get("model.amplitude_warehouse.stg_amplitude__events")
        if execute else none -%}
    {%- set columns = events.columns if events else where -%}
    {%- for column in where if column not in columns -%}
        {%- do faults.append(place ~ "where." ~ column
            ~ " is not a column of stg_amplitude__events; the nearest one is "
            ~ nearest_name(column, columns)) -%}
    {%- endfor -%}
    {{ return(faults) }}
{%- endmacro -%}

{#- Forms may be made of others: "null or …", "a list, each item …",
    "…, or a list of such". -#}
{%- macro has_form(value, form) -%}
    {%- set item = form.partition("a list, each item ")[2]
        or form.partition(", or a list of such")[0] -%}
    {%- set items = value if value is sequence and value is not string and value is not mapping -%}
    {%- set wrong = [] -%}
    {%- for one in items or [] -%}
        {%- do wrong.append(one) if not has_simple_form(one, item) -%}
    {%- endfor -%}
    {%- if form.startswith("null or ") -%}{{ return(value is none or has_form(value, form[8:])) }}
    {%- elif form.startswith("a list, ") -%}{{ return(items is defined and items is not none
        and not wrong) }}
    {%- endif -%}
    {{ return((items and not wrong) if items and form.endswith(" such")
        else has_simple_form(value, item)) }}
{%- endmacro -%}

{%- macro has_simple_form(value, form) -%}
    {%- set text = value if value is string else "" -%}
    {%- set number = value if value is number and value is not boolean else -1 -%}
    {{ return({
        "true or false": value is boolean,
        "a text": text | trim != "",
        "a name of letters, digits, _ and $": is_plain_name(text),
        "a text, number, true or false": text != "" or value is number,
        "a number from 0 to 10000": 0 <= number <= 10000,
        "a number above 0, up to 10000": 0 < number <= 10000,
        "a whole number from 0 to 10000": 0 <= number <= 10000 and number is integer,
        "a whole number from 0 on": 0 <= number and number is integer,
        "a share from 0 to 1": 0 <= number <= 1,
        "the name of a time zone": text in modules.pytz.all_timezones,
        "bot or internal": text in ["bot", "internal"],
        "columns and properties by name, each omit or hash (numbers: omit)":
            are_personal_columns(value),
        "a pattern and its mask": is_masking_rule(value),
        "a rule with kind, field and pattern": is_traffic_rule(value),
        "a rule with a channel and its conditions":
            has_texts(value, ["channel"], ["category", "medium", "campaign", "reason"]),
        "a source with its category": is_channel_source(value),
        "the id of a project": text | trim != "" or (0 < number and number is integer),
        "a day": is_day(value | string),
        "an upload hour of a project": modules.re.fullmatch("[^/]+/.{10} ([01]\\d|2[0-3]):00:00",
            text) is not none and is_day(text[-19:-9]),
        "this or any": text in ["this", "any"],
        "one step or more": value is sequence and value is not string and value is not mapping
            and value | length > 0,
        "values by name": value is mapping,
    }[form]) }}
{%- endmacro -%}

{%- macro is_day(text) -%}
    {%- set day = modules.re.fullmatch("([1-9]\\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])",
        text) -%}
    {%- if day is none -%}{{ return(false) }}{%- endif -%}
    {%- set first = modules.datetime.date(day[1] | int, day[2] | int, 1) -%}
    {{ return((first + modules.datetime.timedelta(days=day[3] | int - 1)).month == first.month) }}
{%- endmacro -%}

{#- DuckDB and Snowflake read backslashes differently. -#}
{%- macro is_masking_rule(value) -%}
    {%- set rule = value if value is mapping else {} -%}
    {%- set texts = [rule.pattern, rule.mask] | select("string") | select | list -%}
    {{ return(rule | length == 2 and texts | length == 2
        and not modules.re.search("\\\\", rule.pattern)
        and not modules.re.search("\\\\(?![0-9])", rule.mask)) }}
{%- endmacro -%}

{%- macro is_traffic_rule(value) -%}
    {%- set fields = ["amplitude_user_id", "client_library", "device_family", "device_id",
        "device_model", "device_type", "ip_address", "os_name", "page_domain", "platform"] -%}
    {{ return(has_texts(value, ["kind", "field", "pattern"], ["reason"])
        and value.kind in ["bot", "internal"] and value.field in fields) }}
{%- endmacro -%}

{%- macro is_channel_source(value) -%}
    {%- set categories = ["ai", "direct", "email", "other", "push", "search", "shopping", "sms",
        "social", "video"] -%}
    {%- set texts = dict(value if value is mapping else {}) -%}
    {%- set subdomains = texts.pop("includes_subdomains", false) -%}
    {{ return(has_texts(texts, ["source", "category"], ["reason"])
        and texts.category in categories and subdomains is boolean) }}
{%- endmacro -%}

{#- Whether a value is texts by name: all of the first names, and some of the others. -#}
{%- macro has_texts(value, names, others) -%}
    {%- set wrong = [] -%}
    {%- for name, text in (value.items() if value is mapping else []) -%}
        {%- do wrong.append(name) if name not in names + others or text is not string
            or text | trim == "" -%}
    {%- endfor -%}
    {%- do wrong.append("") if value is not mapping -%}
    {%- for name in names if value is mapping and name not in value -%}
        {%- do wrong.append(name) -%}
    {%- endfor -%}
    {{ return(not wrong) }}
{%- endmacro -%}

{#- Only columns that no key and no session is made of. -#}
{%- macro are_personal_columns(value) -%}
    {%- set texts = ["advertising_id", "apple_advertising_id", "city", "designated_market_area",
        "device_carrier", "ip_address", "partner_id", "region"] -%}
    {%- set objects = ["event_properties", "global_user_properties", "group_properties",
        "user_properties"] -%}
    {%- set wrong = [] -%}
    {%- for name, rule in (value.items() if value is mapping else [("", "")]) -%}
        {%- set object, _, key = (name | string).partition(".") -%}
        {%- set is_number = name in ["latitude", "longitude"] -%}
        {%- set is_known = is_number or name in texts or (object in objects and key != "") -%}
        {%- do wrong.append(name) if not is_known
            or rule not in (["omit"] if is_number else ["omit", "hash"]) -%}
    {%- endfor -%}
    {{ return(not wrong) }}
{%- endmacro -%}

{#- Of two names the one that shares more pairs of letters, in relation to its length. -#}
{%- macro nearest_name(name, names) -%}
    {%- set best = {"score": -1} -%}
    {%- for other in names -%}
        {%- set shared = [] -%}
        {%- for i in range(other | length - 1) -%}
            {%- do shared.append(i) if other[i:i + 2] in name | string -%}
        {%- endfor -%}
        {%- set score = shared | length / (other | length + name | string | length) -%}
        {%- do best.update({"score": score, "name": other}) if score > best.score -%}
    {%- endfor -%}
    {{ return(best.name) }}
{%- endmacro -%}
