{%- macro is_of_simple_form(value, form) -%}
    {%- set text = value if value is string else "" -%}
    {%- set number = value if value is number and value is not boolean else -1 -%}
    {{ return({
        "true or false": value is boolean,
        "a text": text | trim != "",
        "a text, number, true or false": text != "" or value is number,
        "a number from 0 to 10000": 0 <= number <= 10000,
        "a number above 0, up to 10000": 0 < number <= 10000,
        "a whole number from 0 to 10000": 0 <= number <= 10000 and number is integer,
        "a whole number from 0 on": 0 <= number and number is integer,
        "a share from 0 to 1": 0 <= number <= 1,
        "the name of a time zone": text in modules.pytz.all_timezones,
        "bot or internal": text in ["bot", "internal"],
        "columns and properties by name, each omit or hash (numbers: omit)": are_personal_columns(value),
        "a pattern and its mask": is_masking_rule(value),
        "the id of a project": text | trim != "" or (0 < number and number is integer),
        "a day": is_day(value | string),
        "an upload hour of a project": modules.re.fullmatch("[^/]+/.{10} ([01]\\d|2[0-3]):00:00", text) is not none and is_day(text[-19:-9]),
        "this or any": text in ["this", "any"],
        "one step or more": value is sequence and value is not string and value is not mapping and value | length > 0,
        "values by name": value is mapping,
    }[form]) }}
{%- endmacro -%}
