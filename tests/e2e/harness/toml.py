"""Writes the daemons' configuration: dictionaries to TOML."""


def value(item):
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float)):
        return str(item)
    if isinstance(item, str):
        return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(item, dict):
        return "{ " + ", ".join(f"{key} = {value(inner)}" for key, inner in item.items()) + " }"
    return "[ " + ", ".join(value(inner) for inner in item) + " ]"


def is_table_list(item):
    return isinstance(item, list) and item and all(isinstance(inner, dict) for inner in item)


def dump(document):
    """Tables one level deep; what lies deeper is written inline."""
    lines = [f"{key} = {value(item)}" for key, item in document.items()
             if not isinstance(item, dict) and not is_table_list(item)]
    for key, item in document.items():
        tables = [item] if isinstance(item, dict) else item if is_table_list(item) else []
        for table in tables:
            lines.append(f"\n[{key}]" if isinstance(item, dict) else f"\n[[{key}]]")
            lines += [f"{inner} = {value(content)}" for inner, content in table.items()]
    return "\n".join(lines) + "\n"
