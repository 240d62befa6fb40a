"""Writes tests/selfdebug/codebleu.jsonl: pairs of Python programs with the numbers that the package `codebleu` gives them.

    python3.11 -m venv venv && venv/bin/pip install codebleu==0.7.0 tree-sitter==0.22.3 tree-sitter-python==0.21.0
    venv/bin/python tests/selfdebug/make_codebleu.py      # writes codebleu.jsonl, versions in its first line

codebleu 0.7.0 asks for tree-sitter 0.22, which of the grammars on PyPI only tree-sitter-python 0.21.0 works with. Its
`tokenize` is the one of the Python that runs it: from 3.12 on it is another one, which differs for broken texts and f-strings.

The package iterates over sets of names, whose order is another one in every process. `scores` are with sets that keep the
order of insertion, put in place of `set` in the two modules; `dataflow_range` are the least and the greatest data-flow match
of the unchanged package in 16 processes, each with another PYTHONHASHSEED.
"""

import json
import logging
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import codebleu.dataflow_match
import codebleu.parser.DFG
from codebleu import calc_codebleu

OUT = Path(__file__).parent / "codebleu.jsonl"
SEEDS = 16

SUM = """def total(numbers):
    result = 0
    for number in numbers:
        result = result + number
    return result
"""

FACTORIAL = """def factorial(n):
    if n <= 1:
        return 1
    return n * factorial(n - 1)
"""

BINARY = """def find(items, wanted):
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        elif items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1
"""

STACK = """class Stack:
    size = 0

    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)
        self.size += 1

    @property
    def top(self):
        return self.items[-1]
"""

COUNT = """def count(text):
    counts = {}
    for word in text.split():
        if word in counts:
            counts[word] += 1
        else:
            counts[word] = 1
    return counts
"""

READ = """def read(path, default=None):
    try:
        with open(path) as file:
            return file.read()
    except (OSError, ValueError) as error:
        print(error)
    else:
        default = 0
    finally:
        print("done")
    return default
"""

# Name, candidate, references.
PAIRS = [
    # The same, but for what does not matter or hardly does.
    ("equal", SUM, [SUM]),
    ("equal_class", STACK, [STACK]),
    ("equal_while", BINARY, [BINARY]),
    ("space_around", "\n\n  " + FACTORIAL + "\n \n", [FACTORIAL]),
    ("space_inside", FACTORIAL.replace(" * ", "*").replace(" - ", "-"), [FACTORIAL]),
    ("wider_indent", SUM.replace("    ", "        "), [SUM]),
    ("tabs", SUM.replace("    ", "\t"), [SUM]),
    ("windows_newlines", SUM.replace("\n", "\r\n"), [SUM]),
    ("empty_lines", SUM.replace("\n", "\n\n"), [SUM]),
    # Names.
    ("renamed_all", "def f(a):\n    if a <= 1:\n        return 1\n    return a * f(a - 1)\n", [FACTORIAL]),
    ("renamed_one", SUM.replace("result", "s"), [SUM]),
    ("renamed_swapped", "def f(a, b):\n    c = a\n    d = b\n    return c - d\n", ["def f(b, a):\n    c = b\n    d = a\n    return d - c\n"]),
    ("renamed_in_loop", SUM.replace("number", "x").replace("result", "y"), [SUM]),
    ("renamed_in_while", BINARY.replace("middle", "m").replace("low", "l").replace("high", "h"), [BINARY]),
    # Another structure.
    ("builtin_instead", "def total(numbers):\n    return sum(numbers)\n", [SUM]),
    ("loop_instead", "def factorial(n):\n    result = 1\n    for i in range(2, n + 1):\n        result *= i\n    return result\n", [FACTORIAL]),
    ("condition_instead", "def factorial(n):\n    return 1 if n <= 1 else n * factorial(n - 1)\n", [FACTORIAL]),
    ("get_instead", "def count(text):\n    counts = {}\n    for word in text.split():\n        counts[word] = counts.get(word, 0) + 1\n    return counts\n", [COUNT]),
    ("counter_instead", "from collections import Counter\n\ndef count(text):\n    return Counter(text.split())\n", [COUNT]),
    ("off_by_one", BINARY.replace("len(items) - 1", "len(items)"), [BINARY]),
    ("wrong_operator", FACTORIAL.replace("n * ", "n + "), [FACTORIAL]),
    ("wrong_branch", BINARY.replace("low = middle + 1", "high = middle - 1"), [BINARY]),
    ("statement_missing", SUM.replace("    result = 0\n", ""), [SUM]),
    ("nothing_in_common", "import os\n", [COUNT]),
    ("half_of_it", COUNT[: len(COUNT) // 2], [COUNT]),
    # Comments and docstrings.
    ("comments", "# adds\ndef total(numbers):  # of numbers\n    # from zero\n    result = 0\n    for number in numbers:\n        result = result + number  # one more\n    return result\n", [SUM]),
    ("comment_only", "# nothing yet\n", [SUM]),
    ("comment_reference", SUM, ["# to be written\n"]),
    ("docstring", 'def total(numbers):\n    """The sum of the numbers."""\n    result = 0\n    for number in numbers:\n        result = result + number\n    return result\n', [SUM]),
    ("docstring_of_lines", '"""A module."""\n\ndef factorial(n):\n    """n!\n\n    By recursion: "n" times the last one.\n    """\n    if n <= 1:\n        return 1\n    return n * factorial(n - 1)\n', [FACTORIAL]),
    ("docstring_of_class", STACK.replace("    size = 0", "    '''Last in, first out.'''\n    size = 0"), [STACK]),
    ("string_statement", "def f(x):\n    y = x\n    'not a docstring'\n    return y\n", ["def f(x):\n    y = x\n    return y\n"]),
    ("strings_at_the_left", "NAMES = [\n'one',\n'two',\n]\nprint(NAMES)\n", ["NAMES = ['one', 'two']\nprint(NAMES)\n"]),
    ("joined_strings", 'def f():\n    "one" "two"\n    x = ("three"\n         "four")\n    return x\n', ['def f():\n    x = "threefour"\n    return x\n']),
    # Little, nothing and no Python.
    ("empty_candidate", "", [SUM]),
    ("empty_reference", SUM, [""]),
    ("both_empty", "", [""]),
    ("one_word", "pass", ["pass"]),
    ("two_words", "return x", ["return y"]),
    ("three_words", "x = 1", ["x = 2"]),
    ("no_flow", "import os\nprint('a')\n", ["import os\nprint('b')\n"]),
    ("no_match_of_flow", "print(1)\n", ["def f(a, b=2):\n    c = a + b\n    return c\n"]),
    ("missing_colon", SUM.replace("numbers:", "numbers"), [SUM]),
    ("open_bracket", FACTORIAL.replace("(n - 1)", "(n - 1"), [FACTORIAL]),
    ("bad_dedent", "def f(x):\n        y = x\n    return y  # here\n", ["def f(x):\n    y = x\n    return y\n"]),
    ("open_string", "def f(x):\n    y = 'it\n    return y\n", ["def f(x):\n    y = 'it'\n    return y\n"]),
    ("open_docstring", 'def f(x):\n    """What\n    return x\n', ["def f(x):\n    return x\n"]),
    ("prose", "Sorry, I can't fix this: the loop's end is wrong.\n", [SUM]),
    ("answer_in_prose", "Here it is:\n```python\n" + SUM + "```\n", [SUM]),
    ("print_statement", "def f(x):\n    print x, 1\n    exec 'y = 2'\n", ["def f(x):\n    print(x, 1)\n"]),
    ("stray_characters", "x = 1 ? 2 $ 3\ny = x ! 4\n", ["x = 1\ny = x\n"]),
    ("two_operators", "def f(x, y):\n    z = x + * y\n    return z\n", ["def f(x, y):\n    z = x * y\n    return z\n"]),
    # What the language has.
    ("nested_functions", "def outer(x):\n    y = x\n    def inner(z):\n        nonlocal y\n        y = y + z\n        return y\n    return inner\n", ["def outer(x):\n    def inner(z):\n        return x + z\n    return inner\n"]),
    ("list_comprehension", "def squares(xs):\n    return [x * x for x in xs if x > 0]\n", ["def squares(xs):\n    ys = []\n    for x in xs:\n        if x > 0:\n            ys.append(x * x)\n    return ys\n"]),
    ("comprehensions", "a = {x: y for x, y in zip(b, c)}\nd = {x for x in a for y in x}\ne = sum(x for x in d)\n", ["a = {p: q for p, q in zip(b, c)}\nd = {p for p in a for q in p}\ne = max(p for p in d)\n"]),
    ("try", READ, [READ.replace("ValueError", "TypeError").replace("error", "problem")]),
    ("try_missing", "def read(path, default=None):\n    with open(path) as file:\n        return file.read()\n", [READ]),
    ("with_several", "with open(a) as f, open(b, 'w') as g:\n    g.write(f.read())\n", ["with open(a) as f:\n    with open(b, 'w') as g:\n        g.write(f.read())\n"]),
    ("decorators", "@cache\n@retry(times=3, wait=1.5)\ndef load(name):\n    return store[name]\n", ["@retry(times=5)\ndef load(name):\n    return store[name]\n"]),
    ("class", STACK.replace("self.items.append(item)", "self.items = self.items + [item]"), [STACK]),
    ("class_bases", "class A(B, metaclass=M):\n    x: int = 1\n    y: str\n\n    async def f(self, *args, **kwargs):\n        await g(*args, **kwargs)\n", ["class A(B):\n    x = 1\n\n    def f(self, *args, **kwargs):\n        g(*args, **kwargs)\n"]),
    ("lambda", "key = lambda pair, scale=2: (pair[1] * scale, pair[0])\nxs = sorted(ys, key=key)\n", ["def key(pair, scale=2):\n    return pair[1] * scale, pair[0]\n\nxs = sorted(ys, key=key)\n"]),
    ("global", "count = 0\n\ndef more():\n    global count\n    count += 1\n    return count\n", ["count = 0\n\ndef more():\n    global count\n    count = count + 1\n    return count\n"]),
    ("augmented", "a = b = 1\na += b\na -= 2\na **= b\na //= a\na @= b\n", ["a = 1\nb = 1\na = a + b\na = a - 2\na = a ** b\na = a // a\n"]),
    ("tuples", "a, b = b, a\nc, (d, e), *f = a, b, c, d\n(g) = 1,\n", ["a, b = a, b\nc, d, *f = a, b, c, d\ng = 1\n"]),
    ("sides_of_three", "a.b = x + y\nc[0] = z - 1\nd = e.f\n", ["a.b = y + x\nc[1] = z - 1\nd = e.f\n"]),
    ("string_of_three_parts", "class A:\n    def f(self, x):\n        self.name = 'a'\n        self.x = x\n", ["class A:\n    def f(self, x):\n        self.name = x\n        self.x = x\n"]),
    ("string_of_three_parts_in_reference", "def f(x):\n    x.name = name = 1\n    return name\n", ["def f(x):\n    x.name = 'one'\n    name = 1\n    return name\n"]),
    ("slices", "a = xs[1:-1]\nb = xs[::2, ..., 0]\nc = a[b[0]:]\ndel a[:2]\n", ["a = xs[1:]\nb = xs[::2]\nc = a[b[1]:]\n"]),
    ("f_strings", "def greet(name, width=10):\n    text = f'{name!r:>{width}} {{}}' + rb'\\n'\n    return f\"{text}\"\n", ["def greet(name, width=10):\n    text = '{0!r:>{1}}'.format(name, width)\n    return text\n"]),
    ("string_over_lines", 'QUERY = """\nselect *\n  from t  # all\n"""\nrun(QUERY, "\\"", \'#\')\n', ['QUERY = "select * from t"\nrun(QUERY)\n']),
    ("continuation", "total = first + \\\n    second + \\\n    third\nassert total, \\\n    'none'\n", ["total = first + second + third\nassert total, 'none'\n"]),
    ("string_continued", "x = 'a\\\nb'\ny = 'c\\\nd\nz = x\n", ["x = 'ab'\nz = x\n"]),
    ("for_else", "for x in xs:\n    y = x\n    if y > limit:\n        break\nelse:\n    y = None\nprint(y)\n", ["y = None\nfor x in xs:\n    if x > limit:\n        y = x\n        break\nprint(y)\n"]),
    ("while_else", "while n:\n    n, r = divmod(n, 2)\n    s = s + r\nelse:\n    s = -s\n", ["while n > 0:\n    r = n % 2\n    n = n // 2\n    s = s + r\ns = -s\n"]),
    ("nested_loops", "for i in range(n):\n    for j in range(i, n):\n        if grid[i][j] > best:\n            best = grid[i][j]\n            at = i, j\n", ["for row in grid:\n    for cell in row:\n        best = max(best, cell)\n"]),
    ("nested_conditions", "if a:\n    x = 1\n    if b:\n        x = 2\n    elif c:\n        x = y\nelse:\n    x = 3\nz = x\n", ["if a and b:\n    x = 2\nelif a:\n    x = 1\nelse:\n    x = 3\nz = x\n"]),
    ("walrus", "while (line := file.readline()) != '':\n    if (m := match(line)) is not None:\n        print(m, line)\n", ["line = file.readline()\nwhile line != '':\n    m = match(line)\n    if m is not None:\n        print(m, line)\n    line = file.readline()\n"]),
    ("operators", "x = not a and b or c\ny = a < b <= c != d is not e not in f\nz = ~a ^ b | c & d << 2 >> 1\n", ["x = (not a) and (b or c)\ny = a < b and b <= c and d not in f\nz = -a ^ b\n"]),
    ("match", "match point:\n    case (0, y):\n        z = y\n    case Point(x=x, y=0) if x > 0:\n        z = x\n    case _:\n        z = None\n", ["if point[0] == 0:\n    z = point[1]\nelif point[1] == 0:\n    z = point[0]\nelse:\n    z = None\n"]),
    ("generators", "def walk(tree):\n    if tree:\n        yield from walk(tree.left)\n        yield tree.value\n        yield from walk(tree.right)\n", ["def walk(tree):\n    if tree is None:\n        return []\n    return walk(tree.left) + [tree.value] + walk(tree.right)\n"]),
    ("annotations", "def f(x: int, y: list[str] = [], *, z: float | None = None) -> dict[str, int]:\n    return {x: y, **z}\n", ["def f(x, y=[], *, z=None):\n    return {x: y}\n"]),
    ("one_line", "x = 1; y = 2; print(x, y)\nif x: y = x\n", ["x = 1\ny = 2\nprint(x, y)\nif x:\n    y = x\n"]),
    ("numbers", "a = 0x1F + 0b1_0 + 1_000 + 1.5e-3j + .5 + 5.\n", ["a = 31 + 2 + 1000 + 0.0015 + 0.5 + 5.0\n"]),
    ("umlauts", "größe = 'ä'; b = größe + 'ß'\nif b == 'äß': print(b, größe)\n", ["size = 'a'; b = size + 's'\nif b == 'as': print(b, size)\n"]),
    ("raise_from", "def f(x):\n    try:\n        return 1 / x\n    except ZeroDivisionError as e:\n        raise ValueError(f'{x} is zero') from e\n", ["def f(x):\n    if x == 0:\n        raise ValueError('zero')\n    return 1 / x\n"]),
    # Several references.
    ("two_references", SUM, [SUM, "def total(numbers):\n    return sum(numbers)\n"]),
    ("three_references", FACTORIAL, ["def factorial(n):\n    return 1 if n <= 1 else n * factorial(n - 1)\n", "import math\n\ndef factorial(n):\n    return math.factorial(n)\n", "def f(k):\n    if k <= 1:\n        return 1\n    return k * f(k - 1)\n"]),
    ("references_of_two_lengths", "def count(text):\n    return {}\n", ["def count(text):\n    pass\n", COUNT]),
    ("reference_twice", COUNT, [COUNT, COUNT]),
    ("references_with_comments", "# fixed\n" + BINARY, [BINARY, "# shorter\ndef find(items, wanted):\n    '''Linear.'''\n    for i, item in enumerate(items):\n        if item == wanted:\n            return i  # found\n    return -1\n"]),
    ("references_one_empty", SUM, ["", SUM, "def ("]),
    ("references_and_docstrings", 'def f(x):\n    "one" "two"\n    y = x\n    return y\n', ["def f(x):\n    y = x\n    return y\n", "def f(x):\n    return x\n", "def f(x):\n    'z'\n    y = x\n"]),
]


class InOrder(dict):
    """A set as far as the package uses one, in the order of insertion."""

    def __init__(self, items=()):
        super().__init__(dict.fromkeys(items))

    def add(self, item):
        self[item] = None


def scores(pairs):
    return [calc_codebleu([references], [candidate], lang="python") for _, candidate, references in pairs]


def scores_in_order(pairs):
    codebleu.dataflow_match.set = codebleu.parser.DFG.set = InOrder
    try:
        return scores(pairs)
    finally:
        del codebleu.dataflow_match.set, codebleu.parser.DFG.set


def data_flow_ranges(pairs):
    """The least and the greatest data-flow match of the unchanged package by PYTHONHASHSEED."""
    text = json.dumps(pairs)
    by_seed = []
    for seed in range(SEEDS):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, __file__, "--data-flow"]
        run = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=True)
        by_seed.append(json.loads(run.stdout))
    return [[min(of_pair), max(of_pair)] for of_pair in zip(*by_seed)]


def write(pairs, out):
    with out.open("w") as file:
        packages = {name: version(name) for name in ["codebleu", "tree-sitter", "tree-sitter-python"]}
        print(json.dumps({**packages, "python": platform.python_version(), "hash_seeds": SEEDS}), file=file)
        for (name, candidate, references), found, flow in zip(pairs, scores_in_order(pairs), data_flow_ranges(pairs)):
            line = dict(name=name, candidate=candidate, references=references, scores=found, dataflow_range=flow)
            print(json.dumps(line), file=file)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    if sys.argv[1:] == ["--data-flow"]:
        json.dump([found["dataflow_match_score"] for found in scores(json.load(sys.stdin))], sys.stdout)
    else:
        write(PAIRS, OUT)
