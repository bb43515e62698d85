{%- macro add_days(date, days) -%} {{ return(adapter.dispatch("add_days")(date, days)) }} {%- endmacro -%}

{%- macro snowflake__add_days(date, days) -%} dateadd('day', {{ days }}, {{ date }})::date {%- endmacro -%}

{%- macro duckdb__add_days(date, days) -%} ({{ date }} + ({{ days }})::int) {%- endmacro -%}
