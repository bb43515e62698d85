{#- Of two names the one that shares more pairs of letters, in relation to its length. -#}
{%- macro nearest_name(name, names) -%}
    {%- set best = {"score": -1} -%}
    {%- for other in names -%}
        {%- set shared = [] -%}
        {%- for i in range(other | length - 1) -%}{%- do shared.append(i) if other[i:i + 2] in name | string -%}{%- endfor -%}
        {%- set score = shared | length / (other | length + name | string | length) -%}
        {%- do best.update({"score": score, "name": other}) if score > best.score -%}
    {%- endfor -%}
    {{ return(best.name) }}
{%- endmacro -%}
