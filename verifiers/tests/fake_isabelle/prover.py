"""The toy of a prover behind the fake server: outer syntax, a few commands, closed arithmetic, and faults on demand.

Faithful in what a client can trip over: command spans and their counts, places of messages in symbols, errors that leave a
proof open, `sorry` that is taken in interactive mode and leaves an oracle, ML that can end or block the process. What it
can prove: what is the same on both sides, closed arithmetic, and what follows from a fact of the same text. A word
`fake:...` in a comment asks for a fault where the command before it ends.

A file `oracle.json` beside this one scripts what it says instead: rules `{"goal": REGEX, "methods": REGEX, "proves": BOOL}`, of
which the first that matches a goal and the text of its proof decides, and `{"text": REGEX, "ill_typed": true}` for text in
quotation marks that has no type. Where none matches, the toy judges by itself.
"""

import json
import os
import re
import signal
import sys
import time

SYMBOL = re.compile(r"\\<\^?[A-Za-z][A-Za-z0-9_']*>|.", re.S)
TOKEN = re.compile(
    r"(?P<space>[ \t\n]+)|(?P<comment>\(\*)|(?P<cartouche>\\<open>)|(?P<string>\"(?:\\.|[^\"\\])*\")|(?P<alt>`[^`]*`)"
    r"|(?P<word>[A-Za-z](?:[A-Za-z0-9_']|\\<\^sub>)*(?:\.[A-Za-z][A-Za-z0-9_']*)*)|(?P<var>[?'][A-Za-z][A-Za-z0-9_']*)"
    r"|(?P<number>[0-9]+)|(?P<dots>\.\.)|(?P<symbol>\\<\^?[A-Za-z]+>|.)",
    re.S,
)
THEOREMS = {"lemma", "theorem", "corollary", "proposition"}
GOALS = {"have", "show", "hence", "thus", "obtain", "consider"}
PROOF = GOALS | {
    "by", ".", "..", "done", "qed", "sorry", "\\<proof>", "oops", "apply", "proof", "using", "unfolding", "then", "from", "with",
    "moreover", "ultimately", "also", "finally", "fix", "assume", "define", "note", "next", "case", "supply", "defer", "prefer",
    "subgoal", "ML_prf", "{", "}",
}
DIAGNOSTIC = {"thm_oracles", "thm", "term", "ML_val", "ML_command", "nitpick", "sledgehammer", "print_state"}
THEORY = THEOREMS | {
    "definition", "abbreviation", "fun", "primrec", "datatype", "function", "termination", "axiomatization", "oracle", "declare",
    "notation", "no_notation", "ML", "ML_file", "setup", "method_setup", "text", "section", "subsection", "lemmas", "end",
    "export_code", "consts", "locale", "context",
}
COMMANDS = PROOF | DIAGNOSTIC | THEORY
METHODS = {
    "auto", "simp", "blast", "fastforce", "force", "presburger", "arith", "linarith", "eval", "normalization", "metis", "rule",
    "fact", "assumption", "-", "code_simp", "smt", "unfold_locales", "fail", "pat_completeness", "lexicographic_order",
}
EVALUATES = {"eval": "Code_Generator.holds_by_evaluation", "normalization": "Nbe.normalization_by_evaluation"}


class Interrupt(Exception):
    """Raised by the signal that stands for Isabelle's interrupt."""


class ProofError(Exception):
    """An error of a command; it is printed at the command's place."""


def symbols(text):
    return sum(1 for _ in SYMBOL.finditer(text))


def nested(text, at, opening, closing):
    depth = 0
    while at < len(text):
        if text.startswith(opening, at):
            depth, at = depth + 1, at + len(opening)
        elif text.startswith(closing, at):
            depth, at = depth - 1, at + len(closing)
            if depth == 0:
                return at
        else:
            at += 1
    raise ProofError("Outer lexical error: unclosed " + opening)


def tokens(text):
    """(kind, text, offset in characters), white space and comments included."""
    at, found = 0, []
    while at < len(text):
        match = TOKEN.match(text, at)
        kind, end = match.lastgroup, match.end()
        if kind == "comment":
            end = nested(text, at, "(*", "*)")
        elif kind == "cartouche":
            end = nested(text, at, "\\<open>", "\\<close>")
        found.append((kind, text[at:end], at))
        at = end
    return found


def content(token):
    kind, text, _ = token
    if kind in ("string", "alt"):
        return text[1:-1]
    return text[len("\\<open>"):-len("\\<close>")] if kind == "cartouche" else text


class Span:
    """A command with its arguments, or white space and comments between commands."""

    def __init__(self, name, toks):
        self.name, self.toks = name, toks
        self.args = [token for token in toks[1:] if token[0] not in ("space", "comment")] if name else []

    def strings(self):
        return [content(token) for token in self.args if token[0] in ("string", "cartouche")]

    def words(self):
        return [token[1] for token in self.args]


def spans(text):
    found, toks = [], tokens(text)
    at = 0
    while at < len(toks):
        is_first = toks[at][0] in ("word", "symbol", "dots") and (toks[at][1] in COMMANDS or toks[at][1] == "theory")
        end = at + 1
        if toks[at][1] == "theory" and is_first:
            while end < len(toks) and toks[end - 1][1] != "begin":
                end += 1
            found.append(Span("theory", toks[at:end]))
        elif is_first:
            while end < len(toks) and not (toks[end][0] in ("word", "symbol", "dots") and toks[end][1] in COMMANDS | {"theory"}):
                end += 1
            while toks[end - 1][0] in ("space", "comment"):
                end -= 1
            found.append(Span(toks[at][1], toks[at:end]))
        else:
            while end < len(toks) and toks[end][0] in ("space", "comment"):
                end += 1
            found.append(Span(None, toks[at:end]))
        at = end
    return found


def arithmetic(text, table):
    """The value of a closed formula; None if it is none."""
    text = re.sub(r"::\s*[a-z]+", "", text)
    for name, value in table.items():
        text = re.sub(rf"(?<![\w']){re.escape(name)}(?![\w'])" if name.isalnum() else re.escape(name), f" {value} ", text)
    for symbol, python in [("\\<le>", "<="), ("\\<ge>", ">="), ("\\<noteq>", "!="), ("\\<and>", " and "), ("^", "**")]:
        text = text.replace(symbol, python)
    text = re.sub(r"(?<![<>!=])=(?!=)", "==", text)
    if not re.fullmatch(r"(?:[0-9\s()+\-*<>=!]|and|True|False)+", text) or re.search(r"\*\*\s*[0-9]{3}", text):
        return None
    try:
        return bool(eval(text, {"__builtins__": {}}))
    except (SyntaxError, TypeError, ArithmeticError):
        return None


def scripted():
    """The rules of `oracle.json`."""
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), "oracle.json")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return []


ORACLE = scripted()


def verdict_of_oracle(goals, methods):
    """True or False where a rule decides, else None."""
    for rule in ORACLE:
        if "proves" in rule and re.search(rule["methods"], methods) and any(re.search(rule["goal"], goal) for goal in goals):
            return rule["proves"]
    return None


def check_types(texts):
    for rule in ORACLE:
        if rule.get("ill_typed") and any(re.search(rule["text"], text) for text in texts):
            raise ProofError("Type unification failed: Clash of types \"nat\" and \"bool\"\\<^here>")


class Theory:
    """What is known in a theory, and the proof that is open."""

    def __init__(self, batch, quick_and_dirty):
        self.batch, self.dirty = batch, quick_and_dirty
        self.facts, self.oracles, self.table, self.methods = {}, {}, {}, {}
        self.declared_oracles = []
        self.stack, self.inside, self.reset = [], False, False

    def true(self, prop, facts):
        prop = " ".join(prop.split())
        if prop.startswith("PROP") or "\\<Longrightarrow>" in prop:
            *assumptions, conclusion = [part.strip() for part in prop.split("\\<Longrightarrow>")]
            return conclusion in assumptions or bool(conclusion) and self.true(conclusion, facts) if assumptions else False
        if prop in facts or "False" in facts:
            return True
        value = arithmetic(prop, self.table)
        if value is not None:
            return value
        if prop.count("=") == 1 and not re.search(r"[<>\\]", prop):
            left, right = (re.sub(r"\(\s*(\w+)\s*::\s*\w+\s*\)", r"\1", side).split("+") for side in prop.split("="))
            return sorted(part.strip() for part in left) == sorted(part.strip() for part in right)
        return False

    def by(self, methods, goal):
        """Oracles of a proof of the goal by methods, which stand as tokens."""
        names = [token[1] if token[0] == "word" else content(token) for token in methods if token[0] in ("word", "string")]
        first = names[0] if names else "-"
        if first not in METHODS and first not in self.methods and not names[0].startswith("HOL."):
            raise ProofError(f'Undefined method: "{first}"\\<^here>')
        if first in self.methods:
            return {self.methods[first]}
        facts = {self.facts[name] for name in names + goal["using"] if name in self.facts}
        facts |= set(goal["assumes"]) if {"assms", "assumption"} & set(names + goal["using"]) or first in ("simp", "auto") else set()
        scripted_verdict = verdict_of_oracle(goal["props"], " ".join(token[1] for token in methods))
        proves = scripted_verdict if scripted_verdict is not None else all(self.true(prop, facts) for prop in goal["props"])
        if not proves:
            reduced = ["False"] if first in ("simp", "auto") else goal["props"]
            listed = "\n".join(f" {index}. {prop}" for index, prop in enumerate(reduced, 1))
            here = "\\<^here>" if methods[0][2] >= 0 else ""
            raise ProofError(f"Failed to finish proof{here}:\ngoal ({len(reduced)} subgoal):\n{listed}")
        inherited = {oracle for name in names + goal["using"] for oracle in self.oracles.get(name, ())}
        return inherited | {EVALUATES[name] for name in names if name in EVALUATES}

    def close(self, oracles, say):
        goal = self.stack.pop()
        goal["oracles"] |= oracles
        if goal["name"]:
            self.facts[goal["name"]] = " ".join(goal["props"][0].split()) if goal["props"] else "True"
            self.oracles[goal["name"]] = set(goal["oracles"])
        if self.stack:
            self.stack[-1]["oracles"] |= goal["oracles"]
            self.stack[-1]["shown"] |= goal["kind"] in ("show", "thus")
            self.inside = True
        else:
            self.inside = False
            name = f" {goal['name']}:" if goal["name"] else ""
            say("writeln", f"theorem{name} " + schematic(" ".join(goal["props"])))

    def open(self, span):
        words, kind = span.words(), span.name
        named = len(words) > 1 and span.args[0][0] == "word" and words[1] in (":", "[")
        name = words[0] if named else None
        if kind in THEOREMS and name in self.facts:
            raise ProofError(f'Duplicate fact declaration "Draft.{name}" vs. "Draft.{name}"\\<^here>')
        assumes, props, clause = [], [], "shows"
        for index, token in enumerate(span.args):
            if token[1] in ("fixes", "assumes", "shows", "defines", "obtains"):
                clause = token[1]
            elif kind in GOALS and token[1] in ("if", "for"):
                clause = "assumes" if token[1] == "if" else "fixes"
            elif token[0] in ("string", "cartouche"):
                if clause == "assumes":
                    assumes.append(" ".join(content(token).split()))
                    if index >= 2 and span.args[index - 1][1] == ":" and span.args[index - 2][0] == "word":
                        self.facts[span.args[index - 2][1]] = assumes[-1]
                elif clause == "shows":
                    props.append(content(token))
        if "?thesis" in words or "?case" in words:
            props = list(self.stack[-1]["props"]) if self.stack else []
        check_types(span.strings())
        if any(prop.count("(") != prop.count(")") for prop in props + assumes):
            raise ProofError("Inner syntax error\\<^here>\nFailed to parse prop")
        outer = self.stack[-1]["assumes"] if self.stack else []
        self.stack.append({
            "name": name, "kind": kind, "props": props, "assumes": assumes + outer, "using": [], "oracles": set(), "shown": False,
            "done": False,
        })
        self.inside = False

    def run(self, span, say):
        """Runs a command; an error is raised."""
        name = span.name
        if name in THEORY - {"text", "section", "subsection"} and self.stack:
            self.stack, self.inside = [], False
            raise ProofError(f'Bad context for command "{name}"\\<^here> -- using reset state')
        if name in PROOF and not self.stack:
            raise ProofError(f'Illegal application of proof command in "theory" mode\\<^here>')
        if name in THEOREMS or name in GOALS:
            self.open(span)
        elif name in PROOF:
            self.prove(span, say)
        elif name in ("ML", "ML_val", "ML_command", "setup", "ML_file"):
            ml(" ".join(span.strings()), say)
        elif name == "thm_oracles":
            for fact in span.words():
                if fact not in self.facts:
                    raise ProofError(f'Undefined fact: "{fact}"\\<^here>')
                lines = "".join(f"\n    {oracle}" for oracle in sorted(self.oracles.get(fact, ())))
                say("writeln", "oracles:" + ("" if "no-sorry-trace" in FAULTS else lines))
        else:
            self.declare(span)

    def declare(self, span):
        words, strings = span.words(), span.strings()
        if span.name == "axiomatization":
            for index, word in enumerate(words):
                if word == ":" and span.args[index + 1][0] in ("string", "cartouche"):
                    self.facts[words[index - 1]] = content(span.args[index + 1])
                elif word == ":" and index:
                    self.facts[words[index - 1]] = words[index + 1]
        elif span.name == "oracle":
            self.declared_oracles.append(words[0])
        elif span.name == "method_setup":
            used = [oracle for oracle in self.declared_oracles if any(oracle in text for text in strings)]
            self.methods[words[0]] = "Draft." + used[0] if used else "Pure.skip_proof"
        elif span.name == "declare" and "quick_and_dirty" in words:
            self.dirty = True
        elif span.name in ("definition", "abbreviation") and strings and "=" in strings[-1]:
            left, right = strings[-1].split("=", 1)
            self.facts[left.strip() + "_def"] = strings[-1]
            self.table[left.strip()] = f"({right.strip()})"
        elif span.name == "notation" and strings:
            meaning = {"plus": "+", "minus": "-", "times": "*"}.get(words[0])
            if meaning:
                self.table[strings[0]] = meaning
        elif span.name in ("function", "termination"):
            self.open(Span(span.name, [span.toks[0]]))

    def prove(self, span, say):
        name, goal = span.name, self.stack[-1]
        if name in ("sorry", "\\<proof>"):
            if self.batch and not self.dirty:
                raise ProofError("Cheating requires quick_and_dirty mode!")
            self.close({"skip_proof"}, say)
        elif name == "oops":
            self.stack, self.inside = [], False
        elif name in ("by", ".", ".."):
            self.close(self.by(span.args if name == "by" else [("word", "fact", -1)], goal), say)
        elif name == "apply":
            goal["oracles"] |= self.by(span.args, goal)
            goal["done"] = True
        elif name == "done" or name == "qed":
            if not (goal["done"] or goal["shown"]):
                if not span.args:
                    raise ProofError("Failed to finish proof\\<^here>:\ngoal (1 subgoal):\n 1. " + " ".join(goal["props"]))
                goal["oracles"] |= self.by(span.args, goal)
            self.close(set(), say)
        elif name in ("using", "unfolding", "from", "with"):
            for fact in [token[1] for token in span.args if token[0] == "word"]:
                if fact not in self.facts and fact not in ("assms", "this", "that") and not self.inside:
                    raise ProofError(f'Undefined fact: "{fact}"\\<^here>')
                goal["using"].append(fact)
        elif name == "ML_prf":
            ml(" ".join(span.strings()), say)


def schematic(prop):
    """A proposition as it is printed: without types, its variables schematic."""
    return re.sub(r"(?<![\w?'\\<])([A-Za-z])(?![\w'])", r"?\1", re.sub(r"\(\s*(\w+)\s*::\s*\w+\s*\)", r"\1", prop))


# Faults of the server and its connection, which the prover leaves to them.
OF_THE_SERVER = {
    "server-exit", "server-kill", "close", "half", "half-hang", "garbage", "not-utf8", "flood", "endless-line", "forged-finish",
    "pieces",
}


def wanted_faults(text):
    """The faults that a comment asks for, `big:10` with its argument."""
    return re.findall(r"fake:([a-z0-9-]+(?::[0-9.]+)?)", text)


REPORT = [lambda: None]  # tells how far a theory has come, before something that may take for ever


def ml(text, say):
    function = re.match(r"\s*fun (\w+) \(\) : unit", text)
    if function:
        return say("writeln", f"val {function.group(1)} = fn: unit -> unit")
    REPORT[0]()
    if "OS.Process.exit" in text:
        for printed in re.findall(r'writeln "([^"]*)"', text):
            say("writeln", printed)
        os._exit(0)
    if "loop" in text:
        fault("hang", say)
    sleep = re.search(r"seconds? ([0-9.]+)", text)
    if sleep:
        time.sleep(float(sleep.group(1)))
    for printed in re.findall(r'writeln "([^"]*)"', text):
        say("writeln", printed)


def fault(word, say):
    """A fault that a comment asks for, inside the prover's process."""
    if word in OF_THE_SERVER:
        return
    word, _, argument = word.partition(":")
    REPORT[0]()
    if word == "die":
        os._exit(11)
    elif word == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while True:
            pass
    elif word == "sleep":
        time.sleep(float(argument))
    elif word == "big":
        say("writeln", "x" * int(argument))
    elif word == "many":
        for index in range(int(argument)):
            say("writeln", f"message {index}")
    elif word == "memory":
        block = bytearray(int(argument) << 20)
        for at in range(0, len(block), 4096):
            block[at] = 1
        time.sleep(600)
    elif word == "forge":
        say("writeln", "oracles:")
    else:
        # A test that misspells a fault must not take the lack of it for its being survived.
        raise ProofError(f"The fake has no such fault: {word}")


FAULTS = set(os.environ.get("FAKE_ISABELLE", "").split(","))


def check(name, text, file, batch, quick_and_dirty, progress):
    """Checks a theory from its text to a node as `use_theories` reports it."""
    theory, messages, failed = Theory(batch, quick_and_dirty), [], 0
    try:
        found = spans(text)
    except ProofError as error:
        found = []
        messages.append({"kind": "error", "message": str(error), "pos": {"line": 1, "offset": 1, "end_offset": 2, "file": file}})
        failed = 1
    total = len(found)
    state = {"done": 0, "ended": False}

    def status(running=0, consolidated=False):
        unprocessed = total - state["done"] - running
        percentage = 100 if consolidated else min(99, (total - unprocessed) * 100 // max(total, 1))
        return {
            "percentage": percentage, "unprocessed": unprocessed, "running": running,
            "finished": state["done"] - failed, "failed": failed, "total": total, "consolidated": consolidated,
            "canceled": False, "ok": failed == 0, "warned": 0,
        }

    def node(running=0, consolidated=False):
        return {
            "messages": messages, "exports": [], "status": status(running, consolidated), "theory_name": f"Draft.{name}",
            "node_name": file,
        }

    progress(node(1 if total else 0))
    has_begun = False
    for span in found:
        first = span.toks[0]
        place = {
            "line": text.count("\n", 0, first[2]) + 1, "offset": symbols(text[:first[2]]) + 1,
            "end_offset": symbols(text[:first[2] + len(first[1])]) + 1, "file": file,
        }

        def say(kind, message, pos=place):
            messages.append({"kind": kind, "message": message, "pos": pos})

        REPORT[0] = lambda: progress(node(1), True)
        progress(node(1))
        try:
            if span.name == "theory" and (state["ended"] or has_begun):
                state["ended"] = True
                raise ProofError("Illegal theory header")
            if span.name == "theory":
                has_begun = True
            elif span.name and (not has_begun or state["ended"]):
                raise ProofError(f'Outer syntax error\\<^here>: missing theory context for command "{span.name}"')
            elif span.name == "end":
                if theory.stack:
                    theory.stack, state["ended"] = [], True
                    raise ProofError('Bad context for command "end"\\<^here> -- using reset state')
                state["ended"] = True
            elif span.name:
                theory.run(span, say)
            for token in span.toks:
                for word in wanted_faults(token[1]) if token[0] == "comment" else []:
                    fault(word, say)
        except ProofError as error:
            say("error", str(error))
            failed += 1
        state["done"] += 1
    return node(0, state["ended"] and "never-consolidated" not in FAULTS), state["ended"]


def main():
    """The prover's process: requests as lines of JSON, progress and results likewise."""

    def interrupt(*_):
        raise Interrupt()

    signal.signal(signal.SIGINT, interrupt)
    nodes = {}
    while True:
        try:
            line = sys.stdin.readline()
        except Interrupt:
            continue
        if not line:
            return
        request = json.loads(line)

        def tell(kind, body, task=request["task"]):
            sys.stdout.write(json.dumps({"kind": kind, "task": task, "node": body}) + "\n")
            sys.stdout.flush()

        # A node that the client's side has forgotten is not forgotten here: its text grows.
        known = nodes.get(request["file"], "") if request["append"] else ""
        nodes[request["file"]] = known + request["text"]
        try:
            last = [0.0]

            def progress(node, at_once=False):
                if at_once or time.monotonic() - last[0] > 0.02:
                    last[0] = time.monotonic()
                    tell("progress", node)

            node, _ = check(request["name"], nodes[request["file"]], request["file"], False, False, progress)
            tell("done", node)
        except Interrupt:
            tell("interrupted", None)


if __name__ == "__main__":
    main()
