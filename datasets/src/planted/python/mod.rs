//! The part of Python that planted programs are written in, parsed and evaluated: what a test expects is what the program
//! gives, and a bug that no test sees is found out without a process.
//!
//! Whole numbers, texts, lists, `None` and truth values; comprehensions, conditional expressions, slices; `if`, `for`,
//! `while`, `return`; the builtins and methods of `builtins.rs`. Lists are values: a program must not change one that
//! it has under two names.

mod builtins;
mod eval;
mod lex;
mod parse;
mod value;

pub(super) use value::Value;

use parse::Statement;

/// How a program ends that gives no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `IndexError`.
    Index,
    /// `ValueError`.
    Value,
    /// `TypeError`, `AttributeError`.
    Type,
    /// `NameError`.
    Name,
    /// `ZeroDivisionError`.
    Zero,
    /// It does not end, or its numbers or texts outgrow what a test can show.
    Limit,
}

/// A function's body.
#[derive(Debug, Clone)]
pub(super) struct Program(Vec<Statement>);

impl Program {
    /// # Errors
    /// What is not of the part of Python that is known here.
    pub(super) fn parse(body: &str) -> Result<Self, String> {
        parse::program(body).map(Self)
    }

    /// What the function returns; a body that ends without `return` gives `None`.
    pub(super) fn call(&self, names: &[&str], arguments: &[Value]) -> Result<Value, Fault> {
        eval::call(&self.0, names, arguments)
    }

    /// The numbers and texts that are written in it.
    pub(super) fn constants(&self) -> Vec<Value> {
        let mut found = Vec::new();
        self.0.iter().for_each(|statement| statement.constants(&mut found));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(body: &str, arguments: &[(&str, Value)]) -> Result<String, Fault> {
        let (names, values): (Vec<&str>, Vec<Value>) = arguments.iter().cloned().unzip();
        let program = Program::parse(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        program.call(&names, &values).map(|value| value.to_string())
    }

    fn ints(list: &[i64]) -> Value {
        Value::List(list.iter().copied().map(Value::Int).collect())
    }

    /// Every right side was printed by CPython 3.11, for the arguments of the test.
    const EXPRESSIONS: &[(&str, &str)] = &[
        ("n // 2", "-4"),
        ("n % 3", "2"),
        ("-n % 5 + 2 * 3", "8"),
        ("2 ** 3 ** 2", "512"),
        ("-n ** 2", "-49"),
        ("xs[::-1]", "[5, 8, -3, 5]"),
        ("xs[-1:0:-2]", "[5, -3]"),
        ("[xs[1:], xs[:-9], xs[:9]]", "[[-3, 8, 5], [], [5, -3, 8, 5]]"),
        ("s[-2] + s[1:3]", "'nan'"),
        ("sum(x * x for x in xs if x > 0)", "114"),
        ("[x if x % 2 == 0 else -x for x in xs]", "[-5, 3, 8, -5]"),
        ("[[i, x] for i, x in enumerate(xs) if 0 < x <= 5 and i != 0 or x == 8]", "[[2, 8], [3, 5]]"),
        ("[c for w in words for c in w if c in 'egB']", "['e', 'g', 'g', 'B', 'g']"),
        ("max((x for x in xs if x > 9), default=None)", "None"),
        ("[max(words, key=len), min(words, key=len), max(s, key=s.count)]", "['egg', 'egg', 'a']"),
        ("[max(words[::-1], key=len), min(3, n), max(xs)]", "['fig', -7, 8]"),
        (
            "[sorted(xs, reverse=True), sorted(set(xs)), sorted(words)]",
            "[[8, 5, 5, -3], [-3, 5, 8], ['Bob', 'egg', 'fig']]",
        ),
        ("[sorted(xs, key=abs), sorted(words, key=str.lower)]", "[[-3, 5, 5, 8], ['Bob', 'egg', 'fig']]"),
        ("[list(dict.fromkeys(xs)), list(reversed(xs))]", "[[5, -3, 8], [5, 8, -3, 5]]"),
        ("[list(range(3)), list(range(2, 5)), list(range(5, 0, -2))]", "[[0, 1, 2], [2, 3, 4], [5, 3, 1]]"),
        ("[a * b for a, b in zip(xs, xs[1:])]", "[-15, -24, 40]"),
        ("[', '.join(words), ''.join(str(x) for x in xs)]", "['egg, Bob, fig', '5-385']"),
        (
            "[s.upper(), s.lower().count('a'), s.startswith('b'), s.endswith('na')]",
            "['BANANA', 3, False, True]",
        ),
        (
            "[s.index('n'), s.find('z'), xs.index(8), xs.count(5), s.replace('an', '-')]",
            "[2, -1, 2, 2, 'B--a']",
        ),
        (
            "[s.ljust(8, '.'), s.rjust(8), s.capitalize(), s.swapcase(), 'a b  c'.split()]",
            "['Banana..', '  Banana', 'Banana', 'bANANA', ['a', 'b', 'c']]",
        ),
        (
            "['a,b,'.split(','), int('-12'), str(n), abs(n), len(s) + len(xs)]",
            "[['a', 'b', ''], -12, '-7', 7, 10]",
        ),
        ("[any(x > 7 for x in xs), all(x > 7 for x in xs), all([])]", "[True, False, True]"),
        (
            "[xs + [n] * 2, s[:2] * 2, 'nan' in s, 9 not in xs, [] or n, 0 and n]",
            "[[5, -3, 8, 5, -7, -7], 'BaBa', True, True, -7, 0]",
        ),
        (
            "[True == 1, [True] == [1], None == 0, '' == [], 1 if n else 2, not n]",
            "[True, True, False, False, 1, False]",
        ),
        (
            "['egg' < 'fig' != 'Bob', s.isupper(), 'AB'.isupper(), '12'.isdigit(), 'ab'.isalpha()]",
            "[True, False, True, True, True]",
        ),
    ];

    #[test]
    fn expressions_have_the_values_that_python_gives() {
        let xs = ints(&[5, -3, 8, 5]);
        let words = Value::List(["egg", "Bob", "fig"].map(Value::text).to_vec());
        let arguments = [("xs", xs), ("words", words), ("s", Value::text("Banana")), ("n", Value::Int(-7))];
        for (expression, expected) in EXPRESSIONS {
            assert_eq!(
                run(&format!("return {expression}"), &arguments).as_deref(),
                Ok(*expected),
                "{expression}"
            );
        }
    }

    #[test]
    fn statements_do_what_python_does() {
        let xs = [("xs", ints(&[3, 4, -1]))];
        for (body, expected) in [
            (
                "t = 0\nfor x in xs:\n    if x > 0:\n        t += x\n    else:\n        t -= 10\nreturn t",
                "-3",
            ),
            ("ys = []\nfor i, x in enumerate(xs):\n    ys.append(i * x)\nreturn ys", "[0, 4, -2]"),
            ("n = 10\nwhile n > 3:\n    n = n // 2\nreturn n", "2"),
            ("for x in xs:\n    if x % 2 == 0:\n        return x\nreturn None", "4"),
            ("if xs == []:\n    return 0\nelif len(xs) > 5:\n    return 1\nreturn xs[-1]", "-1"),
            ("t = 1\nt *= 5", "None"),
        ] {
            assert_eq!(run(body, &xs).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_raises_in_python_is_a_fault() {
        let xs = [("xs", ints(&[]))];
        for (expression, fault) in [
            ("xs[0]", Fault::Index),
            ("max(xs)", Fault::Value),
            ("xs.index(1)", Fault::Value),
            ("1 // len(xs)", Fault::Zero),
            ("1 + 'a'", Fault::Type),
            ("'a' < 1", Fault::Type),
            ("None + 1", Fault::Type),
            ("xs.upper()", Fault::Type),
            ("ys", Fault::Name),
            ("9 ** 99", Fault::Limit),
        ] {
            assert_eq!(run(&format!("return {expression}"), &xs), Err(fault), "{expression}");
        }
        assert_eq!(run("while True:\n    x = 1", &xs), Err(Fault::Limit));
    }

    #[test]
    fn what_is_not_known_is_no_program() {
        for body in [
            "return 1.5",
            "return f'{x}'",
            "import os",
            "return lambda: 1",
            "x = ",
            "return (1",
            "if x:\nreturn 1",
        ] {
            assert!(Program::parse(body).is_err(), "{body}");
        }
    }
}
