#!/usr/bin/env python3
"""Keeps the README's snippets equal to compiled code.

    paste.py README.md SOURCE...           puts the snippets of the sources into the README
    paste.py --check README.md SOURCE...   only says whether they are there as they are (exit code 1: no)

A snippet of a source stands between two lines `// [name]`. In the README it is the code block that follows a line
`<!-- [name] -->`.
"""

import difflib
import pathlib
import re
import sys
import textwrap

MARKER = re.compile(r"\s*// \[(\w+)\]\s*")
BLOCK = re.compile(r"(<!-- \[(\w+)\] -->\n```cpp\n)(.*?)(```\n)", re.DOTALL)


def snippets_of(source):
    """The snippets of a file: name to text, without what they have in common at the left."""
    found, name, lines = {}, None, []
    for line in source.read_text(encoding="utf-8").splitlines(keepends=True):
        match = MARKER.fullmatch(line)
        if match and name is None:
            name, lines = match[1], []
        elif match and match[1] == name:
            found[name], name = textwrap.dedent("".join(lines)), None
        elif match:
            sys.exit(f"{source}: [{match[1]}] inside [{name}]")
        else:
            lines.append(line)
    if name is not None:
        sys.exit(f"{source}: [{name}] does not end")
    return found


def main():
    arguments = sys.argv[1:]
    check = arguments[:1] == ["--check"]
    readme, *sources = map(pathlib.Path, arguments[check:])
    snippets = {}
    for source in sources:
        for name, text in snippets_of(source).items():
            if name in snippets:
                sys.exit(f"{source}: a second [{name}]")
            snippets[name] = text

    def replaced(match):
        if match[2] not in snippets:
            sys.exit(f"{readme}: there is no snippet [{match[2]}]")
        return match[1] + snippets[match[2]] + match[4]

    before = readme.read_text(encoding="utf-8")
    after = BLOCK.sub(replaced, before)
    if check:
        if "<!-- [" in BLOCK.sub("", after):
            sys.exit(f"{readme}: a snippet's name without a block of code after it")
        sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), after.splitlines(True), str(readme), "sources"))
        return 0 if before == after else 1
    if before != after:
        readme.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
