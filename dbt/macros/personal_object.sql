{%- macro personal_object(name) -%}
    {%- set rules = variable("personal_columns") -%}
    {%- set objects = [name] -%}
    {%- for column, rule in rules.items() if column.startswith(name ~ ".") -%}
        {%- set key = column[name | length + 1:] -%}
        {%- do objects.append(without_property(objects.pop(), name, key, rule)) -%}
    {%- endfor -%}
    {{ objects[0] }}{{ " as " ~ name if objects[0] != name }}
{%- endmacro -%}
