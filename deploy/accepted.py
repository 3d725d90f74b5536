#!/usr/bin/env python3
"""Whether erlmcp takes the flags that manifests give it: `accepted.py ERLMCP FILE...`.

Of every container in them with erlmcp's image (Kubernetes, a compose file of Docker, or a Dockerfile) the arguments are given to
the binary. A server has to begin to listen (on a free port of this machine, with files in place of secrets, without its store);
anything else has to get beyond its flags. Needs PyYAML. Exits with 1 at the first that is refused.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml


def containers(document):
    """The arguments of all containers in a document, however deep."""
    if isinstance(document, dict):
        if "erlmcp" in str(document.get("image", "")):
            yield document.get("args") or document.get("command") or []
        for inside in document.values():
            yield from containers(inside)
    elif isinstance(document, list):
        for inside in document:
            yield from containers(inside)


def documents(file):
    """What a file describes; a Dockerfile is one container."""
    text = Path(file).read_text()
    if Path(file).name == "Dockerfile":
        return [{"image": "erlmcp", "command": json.loads(re.search(r"^CMD (\[.*\])$", text, re.M)[1])}]
    return yaml.safe_load_all(text)


def here(argument, folder):
    """The same argument on this machine: no port that may be taken, no secret of a cluster, no database."""
    if argument.endswith(":8080"):
        return argument.replace("8080", "0")
    if argument.startswith("--store="):
        return f"--store={folder}/operations.db"
    found = re.fullmatch(r"(--(?:tokens|session-key-file|token-file))=.*", argument)
    return f"{found[1]}={folder}/{found[1].strip('-')}" if found else argument


def is_taken(erlmcp, arguments, folder):
    """True where the binary begins with them. A server says where it listens; others are only asked for their help."""
    arguments = [here(str(argument), folder) for argument in arguments]
    if arguments[0] != "serve":
        known = subprocess.run([erlmcp, *arguments, "--help"], capture_output=True, text=True)
        flags = {argument.split("=")[0] for argument in arguments if argument.startswith("--")}
        return known.returncode == 0 and all(flag in known.stdout for flag in flags)
    server = subprocess.Popen([erlmcp, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in server.stdout:
            if line.startswith("listening on "):
                return True
            print(line, end="", file=sys.stderr)
        return False
    finally:
        server.terminate()
        server.wait()


def main():
    erlmcp, *files = sys.argv[1:]
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        token = subprocess.run([erlmcp, "token", "somebody"], capture_output=True, text=True, check=True).stdout
        Path(folder, "tokens").write_text(token.rsplit(":", 1)[1])
        Path(folder, "session-key-file").write_bytes(bytes(range(32)))
        Path(folder, "token-file").write_text("a token of agents\n")
        for file in files:
            for document in documents(file):
                for arguments in containers(document):
                    count += 1
                    if not is_taken(erlmcp, arguments, folder):
                        sys.exit(f"{file}: erlmcp does not take {' '.join(map(str, arguments))}")
    if count == 0:
        sys.exit("no container of erlmcp was found")
    print(f"ok: erlmcp takes the flags of {count} containers")


if __name__ == "__main__":
    main()
