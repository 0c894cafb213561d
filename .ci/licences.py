"""Reads `cargo metadata` on standard input: does `.cargo/deny.toml` allow the licence of every package?"""

import json
import re
import sys
import tomllib


def allows(expression, allowed):
    """Whether a licence expression holds when those that are allowed are true. `/` is an old way to write OR."""
    words = re.findall(r"[()]|[\w.+-]+", expression.replace("/", " OR "))
    terms = []
    for word in words:
        if word in ("(", ")", "OR", "AND"):
            terms.append(word.lower())
        elif word == "WITH" or terms[-1:] == ["with"]:
            # An exception only adds a permission: the licence itself decides.
            terms = terms[:-1] if terms[-1:] == ["with"] else terms + ["with"]
        else:
            terms.append(str(word in allowed))
    return eval(" ".join(terms), {"__builtins__": {}})


def main():
    with open(".cargo/deny.toml", "rb") as file:
        rules = tomllib.load(file)["licenses"]
    exceptions = {rule["crate"]: rule["allow"] for rule in rules["exceptions"]}
    packages = json.load(sys.stdin)["packages"]
    refused = [
        f"{package['name']} {package['version']}: {package['license']}"
        for package in packages
        if not allows(package["license"] or "none", [*rules["allow"], *exceptions.get(package["name"], [])])
    ]
    needless = set(exceptions) - {package["name"] for package in packages}
    if refused or needless:
        sys.exit("\n".join(["not allowed by .cargo/deny.toml:", *refused, *(f"nobody needs the exception for {name}" for name in needless)]))
    print(f"note: {len(packages)} packages, licences as .cargo/deny.toml allows")


main()
