#!/usr/bin/python3 -IS
"""A stand-in for leanprover-community/repl: its protocol, a toy of a language, and faults on demand.

Faithful in what a client can trip over: framing by one blank line, lines right-trimmed and joined, requests that begin
with # or -- skipped without a reply, death on anything that is no request, environments and proof states numbered
upwards for ever, `import` only without `env`. The language knows just enough to give errors, sorries, names that one
environment has and another has not, namespaces, axioms, and theorems whose types differ. A word `fake:...` in a
command asks for a fault.
"""

import json
import mmap
import os
import re
import signal
import sys
import threading
import time

ENVS = []  # each an Env
STATES = []  # each a list of goals
MAPPED = []
FORGED = threading.Event()
POISONED = threading.Event()
BUILTIN = {"Nat": "Type", "Int": "Type", "rfl": "a = a"}
DECLARATION = re.compile(r"^(?:(?:theorem|lemma|def|example|import|open|variable|set_option|namespace|end)\b|#(?:check|print)\b)", re.M)


def write(data):
    data = data.encode() if isinstance(data, str) else data
    while data:
        data = data[os.write(1, data):]


def die(text):
    sys.stderr.write("uncaught exception: " + text + "\n")
    sys.stderr.flush()
    os._exit(1)


def requests():
    """What the REPL's getLines gives, one after another."""
    lines = []
    for line in sys.stdin:
        if line.strip():
            lines.append(line.rstrip())
        else:
            yield "".join(lines)
            lines = []
    yield "".join(lines)


class Env:
    """What is declared, by full name, as a pair of type and axioms; and the namespaces that are open."""

    def __init__(self, old=None):
        self.names = dict(old.names) if old else {}
        self.scopes = list(old.scopes) if old else []

    def full(self, name):
        return ".".join(self.scopes + [name])

    def find(self, name):
        """What a name means here, innermost namespace first."""
        if name.startswith("_root_."):
            return self.names.get(name.removeprefix("_root_."))
        for depth in range(len(self.scopes), -1, -1):
            found = self.names.get(".".join(self.scopes[:depth] + [name]))
            if found:
                return found
        return (BUILTIN[name], set()) if name in BUILTIN else None


class Text:
    """A command's text with places in it."""

    def __init__(self, text):
        self.text = text

    def pos(self, offset):
        before = self.text[:offset]
        return {"line": before.count("\n") + 1, "column": offset - (before.rfind("\n") + 1)}

    def message(self, severity, start, end, data):
        return {"severity": severity, "pos": self.pos(start), "endPos": self.pos(end), "data": data}


def goal(text):
    """The goal of a declaration: its binders line by line, then its type."""
    signature = text.split(":=")[0]
    depth, colon = 0, None
    for at, character in enumerate(signature):
        depth += (character in "([{") - (character in ")]}")
        if character == ":" and depth == 0:
            colon = at
            break
    if colon is None:
        return "⊢ Nat"
    binders = re.findall(r"[({]([^(){}]*):([^(){}]*)[)}]", signature[:colon])
    lines = [" ".join(names.split()) + " : " + " ".join(of.split()) for names, of in binders]
    return "\n".join(lines + ["⊢ " + " ".join(signature[colon + 1:].split())])


def declare(whole, start, text, env, messages, sorries):
    """theorem, lemma, def, example."""
    match = re.match(r"(\w+)(?:\s+([\w.']+))?", text)
    keyword, name = match.group(1), match.group(2)
    at, length = (start, len(keyword)) if keyword == "example" else (start + match.start(2), len(name))
    errors, axioms = len(messages), set()
    if keyword != "example" and env.full(name) in env.names:
        messages.append(whole.message("error", at, at + length, f"'{name}' has already been declared"))
    code = re.sub(r"/-.*?-/|--[^\n]*", lambda comment: " " * len(comment.group()), text, flags=re.S)
    for unknown in re.finditer(r"\bno_such_tactic\b", code):
        messages.append(whole.message("error", start + unknown.start(), start + unknown.end(), "unknown tactic"))
    for used in re.finditer(r"\bexact (\w+)", code):
        meaning = env.find(used.group(1))
        if meaning:
            axioms |= meaning[1]
        elif f"({used.group(1)} :" not in code:
            data = f"Unknown identifier `{used.group(1)}`"
            messages.append(whole.message("error", start + used.start(1), start + used.end(1), data))
    comparison = re.search(r": type_of% @([\w.']+) := @([\w.']+)", code)
    if comparison:
        compare(whole, start, comparison, env, messages)
    if code.rstrip().endswith(":= by"):
        end = len(code.rstrip())
        messages.append(whole.message("error", start + end - 2, start + end, "unsolved goals\n" + goal(code)))
    found = [sorry.start() for sorry in re.finditer(r"\bsorry\b", code)]
    for offset in found:
        STATES.append([goal(code)])
        place = {"pos": whole.pos(start + offset), "endPos": whole.pos(start + offset + 5)}
        sorries.append({"proofState": len(STATES) - 1, "goal": goal(code), **place})
    if found and len(messages) == errors:
        messages.append(whole.message("warning", at, at + length, "declaration uses `sorry`"))
    if keyword != "example":
        # What failed is there all the same, resting on `sorry`.
        axioms |= {"sorryAx"} if found or len(messages) > errors else set()
        env.names[env.full(name)] = (goal(code).split("⊢ ")[-1], axioms)


def compare(whole, start, comparison, env, messages):
    """A theorem that says of one constant that it has the type of another."""
    types = []
    for group in (1, 2):
        found = env.find(comparison.group(group))
        if not found:
            data = f"Unknown identifier `{comparison.group(group)}`"
            place = start + comparison.start(group), start + comparison.end(group)
            return messages.append(whole.message("error", *place, data))
        types.append(found[0])
    if types[0] != types[1]:
        data = f"Type mismatch\n  {comparison.group(2)}\nhas type\n  {types[1]}\nbut is expected to have type\n  {types[0]}"
        messages.append(whole.message("error", start + comparison.start(2) - 1, start + comparison.end(2), data))


def close(whole, start, text, env, messages):
    """`end NAME`."""
    name = text.split()[1] if text.split()[1:] else ""
    if env.scopes and env.scopes[-1] == name:
        env.scopes.pop()
    else:
        messages.append(whole.message("error", start, start + 3, f"Invalid name after `end`: `{name}`"))


def print_command(whole, start, text, env, messages):
    """`#print "text"` and `#print axioms NAME`."""
    quoted = re.match(r'#print "([^"]*)"', text)
    axioms = re.match(r"#print axioms ([\w.']+)", text)
    found = env.find(axioms.group(1)) if axioms else None
    if quoted:
        data = quoted.group(1)
    elif not found:
        return messages.append(whole.message("error", start, start + 6, "unknown constant"))
    elif found[1]:
        data = f"'{axioms.group(1)}' depends on axioms: [{', '.join(sorted(found[1]))}]"
    else:
        data = f"'{axioms.group(1)}' does not depend on any axioms"
    messages.append(whole.message("info", start, start + 6, data))


def check(whole, start, text, env, messages):
    argument = re.match(r"#check\s+@?([\w.']+)", text)
    name = argument.group(1) if argument else ""
    known = env.find(name)
    if known:
        messages.append(whole.message("info", start, start + 6, f"{name} : {known[0]}"))
    else:
        at = start + argument.start(1)
        messages.append(whole.message("error", at, at + len(name), f"Unknown identifier `{name}`"))


def elaborate(text, old):
    """The reply to a command, and its new environment; or an error reply."""
    env, messages, sorries, whole = Env(old), [], [], Text(text)
    starts = [match.start() for match in DECLARATION.finditer(text)] + [len(text)]
    for start, end in zip(starts, starts[1:]):
        part = text[start:end]
        keyword = part.split()[0]
        if keyword == "import" and old is not None:
            data = "invalid 'import' command, it must be used in the beginning of the file"
            messages.append(whole.message("error", start, start + 6, data))
        elif keyword == "import" and part.split()[1].startswith("Missing"):
            return {"message": f"unknown module prefix '{part.split()[1]}'"}, None
        elif keyword == "import" and part.split()[1] == "Slow":
            work(0.4)
        elif keyword == "#check":
            check(whole, start, part, env, messages)
        elif keyword == "#print":
            print_command(whole, start, part, env, messages)
        elif keyword == "namespace":
            env.scopes.append(part.split()[1])
        elif keyword == "end":
            close(whole, start, part, env, messages)
        elif keyword in ("theorem", "lemma", "def", "example"):
            declare(whole, start, part, env, messages, sorries)
        elif keyword == "open" and "NoSuchNamespace" in part:
            messages.append(whole.message("error", start + 5, start + 20, "unknown namespace `NoSuchNamespace`"))
    reply = {"sorries": sorries, "messages": messages}
    return {key: value for key, value in reply.items() if value}, env


def work(cpu_seconds):
    end = time.process_time() + cpu_seconds
    while time.process_time() < end:
        pass


def forge_when(due):
    """Prints a reply with a number as soon as that number is the one that comes next."""
    while len(ENVS) < due:
        time.sleep(0.001)
    write(json.dumps({"env": due}) + "\n\n")
    FORGED.set()


def faults_before(text):
    """Faults that strike before the reply is printed."""
    due = len(ENVS)
    forged = json.dumps({"env": due})
    if POISONED.is_set() and not text.startswith("#check"):
        die("an earlier candidate did this")
    if "fake:poison" in text:
        POISONED.set()
    if "fake:hang" in text:
        time.sleep(1000)
    if "fake:die" in text:
        die("the candidate did this")
    if "fake:kill" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "fake:memory" in text:
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1 << 20)))
    while "fake:flood_line" in text:
        write("x" * 65536)
    while "fake:flood_blocks" in text:
        write("some text\n\n" * 1000)
    while "fake:flood_replies" in text:
        write('{"env": 0}\n\n' * 1000)
    if "fake:work" in text:
        work(0.5)
    if "fake:stderr" in text:
        os.write(2, b"noise\n" * 50000)
    if "fake:much_stderr" in text:
        for _ in range(100):
            os.write(2, b"noise\n" * 17500)
    if "fake:map" in text:
        # As Lean maps its libraries: much address space, next to no memory.
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        MAPPED.append(mmap.mmap(-1, 4 << 30, flags=flags, prot=mmap.PROT_READ))
    if "fake:late" in text:
        time.sleep(0.4)
    if "fake:print_line" in text:
        write("hello ⊢ ∀\n")
    if "fake:print_glued" in text:
        write("no line end, a brace { and a quote \" ")
    if "fake:print_blocks" in text:
        write("one\n\n\n\ntwo { three\n\n[1, 2]\n\n{\"time\": 3}\n\n\n")
    if "fake:print_bytes" in text:
        write(b"\xff\xfe\x00{\xe2\x88\n")
    if "fake:print_open_object" in text:
        write('{"messages": [\n')
    if "fake:print_open_string" in text:
        write('{"env": 0, "x": "')
    if "fake:huge_line" in text:
        write("y" * 10_000_000 + "\n")
    if "fake:forge_early" in text:
        write(forged + "\n\n")
        time.sleep(0.1)
    if "fake:forge_glued" in text:
        write(forged)
    if "fake:forge_line" in text:
        write(forged + "\n")
    if "fake:forge_wrong" in text:
        write('{"env": 77}\n\n')
    if "fake:forge_error" in text:
        write('{"message": "Unknown environment."}\n\n')
    if "fake:forge_two" in text:
        write(forged + "\n\n" + json.dumps({"env": due + 1}) + "\n\n")
    if "fake:forge_and_hang" in text:
        write(forged + "\n\n")
        time.sleep(1000)
    if "fake:forge_and_die" in text:
        write(forged + "\n\n")
        os._exit(0)
    if "fake:forge_later" in text:
        threading.Thread(target=forge_when, args=(due + 2,), daemon=True).start()
    if "fake:wait_for_forgery" in text:
        FORGED.wait()
    if "fake:close_stdout" in text:
        os.close(1)
        time.sleep(1000)


def answer(reply, text=""):
    faults_before(text)
    if "fake:huge_reply" in text:
        reply.setdefault("messages", []).append(Text("").message("info", 0, 0, "z" * 10_000_000))
    if "fake:unicode" in text:
        reply.setdefault("messages", []).append(Text("").message("info", 0, 0, "⊢ ∀ 𝔸 é\n\n{\"env\": 9}"))
    data = (json.dumps(reply, ensure_ascii=False, indent=1) + "\n").encode()
    if "fake:print_inside" in text:
        data += b"between the reply and its blank line\n"
    data += b"\n"
    for at in range(len(data)) if "fake:pieces" in text else ():
        write(data[at:at + 1])
        time.sleep(0.0005)
    if "fake:pieces" not in text:
        write(data)
    if "fake:print_after" in text:
        write("after the reply\n\n\nand more\n")
    if "fake:exit_after" in text:
        os._exit(7)


def command(text, number):
    if number is None and not text.strip():
        die("an empty command: no recorded conversation says what the real one does, so none may be sent")
    if number is not None and not 0 <= number < len(ENVS):
        return answer({"message": "Unknown environment."})
    reply, env = elaborate(text, None if number is None else ENVS[number])
    if env is None:
        return answer(reply)
    answer({**reply, "env": len(ENVS)}, text)
    ENVS.append(env)


def proof_step(tactic, number):
    if not 0 <= number < len(STATES):
        return answer({"message": "Unknown proof state."})
    if tactic == "sorry":
        STATES.extend([[STATES[number][0]], []])
        sorries = [{"proofState": len(STATES) - 2, "goal": STATES[number][0]}]
        status = "Incomplete: contains sorry"
        return answer({"sorries": sorries, "proofStatus": status, "proofState": len(STATES) - 1, "goals": []})
    done = tactic.split()[0] in ("assumption", "rfl", "exact", "simp", "omega")
    STATES.append([] if done else STATES[number])
    status = "Completed" if done else "Incomplete: open goals remain"
    answer({"proofStatus": status, "proofState": len(STATES) - 1, "goals": STATES[-1]})


def dispatch(request):
    has = lambda **fields: all(type(request.get(name)) is of for name, of in fields.items())
    if has(tactic=str, proofState=int):
        proof_step(request["tactic"], request["proofState"])
    elif has(cmd=str):
        command(request["cmd"], request.get("env"))
    elif has(path=str):
        with open(request["path"], encoding="utf-8") as file:
            command(file.read(), request.get("env"))
    else:
        die("Could not parse as a valid JSON command:\n" + json.dumps(request))


def main():
    for query in requests():
        if query == "":
            return
        if query.startswith("#") or query.startswith("--"):
            continue
        try:
            request = json.loads(query)
        except ValueError as error:
            die(f"Could not parse JSON:\n{error}")
        if not isinstance(request, dict):
            die("Could not parse as a valid JSON command:\n" + query)
        dispatch(request)


main()
