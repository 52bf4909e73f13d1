#!/usr/bin/env python3
"""Checks what the compiler does not: layers, sizes, banned calls, the co_await rule, format.

  tools/tidy.py                 all files of the tree (what the test `tidy` runs)
  tools/tidy.py --changed       only what differs from the branch main, for daily work
  tools/tidy.py FILE...         these files
  tools/tidy.py --self-test     proves that each rule fires

Exit 0: nothing but warnings; 1: violations, one a line as path:line: rule: message. Standard library only.
The rules are in tidy_rules.py and include_rule.py, what they know of C++ in cpp_source.py, the rooms in layers.json.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import tidy_rules
from cpp_source import Source
from include_rule import IncludeRule

ROOT = Path(__file__).resolve().parent.parent
TEXT = (".cpp", ".hpp", ".py", ".sh", ".js", ".css", ".html", ".md", ".json", ".yaml", ".yml", ".cmake", ".txt")
SKIPPED_FOLDERS = {".git", "build", ".cache", "__pycache__", "corpus", "golden", "third_party"}
CLANG_FORMAT_VERSION = 14


def tree_files(root):
    """Every file git knows or would add; without git, every file outside build folders."""
    listing = _git(root, "ls-files", "--cached", "--others", "--exclude-standard")
    if listing is not None:
        names = listing.splitlines()
    else:
        names = []
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
            names += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return sorted(name for name in names if _is_ours(name) and (root / name).is_file())


def changed_files(root):
    names = set()
    for arguments in (("diff", "--name-only", "main"), ("ls-files", "--others", "--exclude-standard")):
        names.update((_git(root, *arguments) or "").splitlines())
    return sorted(name for name in names if _is_ours(name) and (root / name).is_file())


def _is_ours(name):
    folders = set(name.split("/")[:-1])
    executable_script = name.startswith((".ci/", "scripts/"))
    return not folders & SKIPPED_FOLDERS and (name.endswith(TEXT) or executable_script or "Dockerfile" in name)


def _git(root, *arguments):
    if not (root / ".git").exists():
        return None
    # A checkout that belongs to someone else is still only read.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def check_file(source, table):
    """All violations of one file, without its format."""
    for rule in tidy_rules.PER_FILE:
        yield from rule(source)
    yield from tidy_rules.layers(source, table)
    yield from tidy_rules.document_names(source, lambda name: (ROOT / name).is_file())
    if re.fullmatch(r"src/\w+/CMakeLists\.txt", source.path):
        yield from tidy_rules.cmake_layers(source.path, source.text, table)
    if source.path == "docs/design.md":
        yield from tidy_rules.design_table(source.text, table)


def find_clang_format():
    for name in (f"clang-format-{CLANG_FORMAT_VERSION}", "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        if f"version {CLANG_FORMAT_VERSION}." in said:
            return path
    return None


def format_faults(root, names):
    names = [name for name in names if name.endswith((".cpp", ".hpp"))]
    if not names:
        return
    program = find_clang_format()
    if program is None:
        yield "clang-format", 0, "format", f"clang-format {CLANG_FORMAT_VERSION} not found; run scripts/install-deps.sh"
        return
    command = [program, "--dry-run", "-Werror", "--ferror-limit=1", *names]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    for found in re.finditer(r"^(\S+?):(\d+):\d+: error: (.*)$", done.stderr, re.MULTILINE):
        yield found[1], int(found[2]), "format", "run clang-format -i"
    if done.returncode != 0 and "error:" not in done.stderr:
        yield "clang-format", 0, "format", done.stderr.strip()[:200]


def run(root, names, with_format=True):
    """Prints what is wrong and returns the number of violations."""
    table = json.loads((root / "tools/layers.json").read_text(encoding="utf-8"))
    includes = IncludeRule(root, table["rooms"])
    violations, warnings = [], []
    for name in names:
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # Not text, whatever its name says.
        source = Source(name, text)
        for line, rule, message in [*check_file(source, table), *includes.faults(source)]:
            (warnings if rule == "warning" else violations).append((name, line, rule, message))
    if with_format:
        violations += format_faults(root, names)
    for name, line, rule, message in sorted(warnings) + sorted(violations):
        print(f"{name}:{line}: {rule}: {message}")
    print(f"tidy: {len(names)} files, {len(violations)} violations, {len(warnings)} warnings")
    return len(violations)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="paths relative to the top of the tree")
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("--no-format", action="store_true", help="skip clang-format")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        import tidy_test  # Only here: the rules do not need their tests.

        return tidy_test.run()
    names = options.files or (changed_files(ROOT) if options.changed else tree_files(ROOT))
    return 1 if run(ROOT, names, not options.no_format) else 0


if __name__ == "__main__":
    sys.exit(main())
