"""Which variables a model or test of the dbt project reads."""

import re

CALL_OF_VAR = re.compile(r"\bvar(?:iable)?\(")
VARIABLE = re.compile(r"""\bvar(?:iable)?\(\s*["'](\w+)["']""")


def variables_of(node: dict, macros: dict) -> set[str]:
    """The variables a node of the manifest reads, itself or through macros.

    A call in a branch that dbt did not take while it parsed is not among what dbt says
    the node depends on, so the code is searched for calls as well.
    """
    ours = {
        macro["name"].split("__")[-1]
        for macro in macros.values()
        if macro["package_name"] == "amplitude_warehouse"
    }
    found, seen, ahead = set(), set(), [node]
    while ahead:
        node = ahead.pop()
        code = node.get("raw_code") or node.get("macro_sql", "")
        found.update(VARIABLE.findall(code))
        called = {name for name in ours if re.search(rf"\b{name}[\"')]*\(", code)}
        for key, macro in macros.items():
            is_called = macro["name"].split("__")[-1] in called
            if (is_called or key in node["depends_on"]["macros"]) and key not in seen:
                seen.add(key)
                ahead.append(macro)
    return found
