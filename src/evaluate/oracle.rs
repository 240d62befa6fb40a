//! Tests for tasks that say what is right by a program or by results, in human-eval's form: a program that defines
//! `check(candidate)` and is run where the candidate's code never gets.

use proofloop_datasets::CallCase;

/// EvalPlus compares so where results are floats and the task names no tolerance (`evalplus/evaluate.py`); the relative
/// part is numpy's `allclose`'s.
const DEFAULT_TOLERANCE: &str = "1e-6";

/// What both kinds of tests begin with. As EvalPlus does it, results that are floats, or lists of floats, may differ by the
/// tolerance, and others not at all.
const COMPARISON: &str = "\
import json

def _is_floats(value):
    if isinstance(value, float):
        return True
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(one, float) for one in value)

def _is_near(found, expected, tolerance):
    if isinstance(expected, (list, tuple)):
        if type(found) is not type(expected) or len(found) != len(expected):
            return False
        return all(_is_near(one, other, tolerance) for one, other in zip(found, expected))
    if type(found) not in (int, float):
        return False
    if found == expected or (found != found and expected != expected):
        return True
    return abs(found - expected) <= tolerance + 1e-7 * abs(expected)

def _is_same(found, expected, tolerance):
    if found == expected:
        return True
    if tolerance == 0 and _is_floats(expected):
        tolerance = DEFAULT
    return tolerance != 0 and _is_near(found, expected, tolerance)
";

/// The candidate must give what `program` gives, whose function has the name `entry_point`. `inputs` are JSON texts of lists
/// of arguments; `tolerance` is a decimal number.
#[must_use]
pub(super) fn by_program(program: &str, entry_point: &str, inputs: &[&str], tolerance: &str) -> String {
    let comparison = COMPARISON.replace("DEFAULT", DEFAULT_TOLERANCE);
    let tolerance = if tolerance.trim().is_empty() { "0" } else { tolerance };
    format!(
        "{comparison}\n{program}\n\n_inputs = {}\n\ndef check(candidate):\n    for _text in _inputs:\n        \
         _expected = {entry_point}(*json.loads(_text))\n        _found = candidate(*json.loads(_text))\n        \
         assert _is_same(_found, _expected, {tolerance})\n",
        texts(inputs.iter().copied()),
    )
}

/// The candidate must give these results. APPS often wraps a result in a list of one: either counts.
#[must_use]
pub(super) fn by_results(cases: &[CallCase]) -> String {
    format!(
        "{}\n_arguments = {}\n_results = {}\n\ndef _is_right(found, expected):\n    \
         found = list(found) if isinstance(found, tuple) else found\n    \
         if _is_same(found, expected, 0):\n        return True\n    \
         return isinstance(expected, list) and len(expected) == 1 and _is_same(found, expected[0], 0)\n\n\
         def check(candidate):\n    for _given, _wanted in zip(_arguments, _results):\n        \
         assert _is_right(candidate(*json.loads(_given)), json.loads(_wanted))\n",
        COMPARISON.replace("DEFAULT", DEFAULT_TOLERANCE),
        texts(cases.iter().map(|case| case.arguments.as_str())),
        texts(cases.iter().map(|case| case.result.as_str())),
    )
}

/// Where a task asks for a method of a class `Solution`, this makes it a function.
#[must_use]
pub(super) fn function_of_class(entry_point: &str) -> String {
    format!(
        "\n\nif 'Solution' in globals() and '{entry_point}' not in globals():\n    \
         {entry_point} = Solution().{entry_point}\n"
    )
}

/// A list of string literals: JSON's are Python's.
fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let literals: Vec<String> = texts.map(|text| serde_json::Value::from(text).to_string()).collect();
    format!("[{}]", literals.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_literals_that_python_reads_back() {
        assert_eq!(texts(["[1, \"a\\n\"]", "∀"].into_iter()), r#"["[1, \"a\\n\"]", "∀"]"#);
        assert_eq!(texts(std::iter::empty()), "[]");
    }

    #[test]
    fn a_test_calls_the_program_and_the_candidate_with_the_same_arguments() {
        let test = by_program("def f(x):\n    return x\n", "f", &["[1]"], "");
        insta::assert_snapshot!(test.split_once("def f(x)").expect("the program").1, @r#"
        :
            return x


        _inputs = ["[1]"]

        def check(candidate):
            for _text in _inputs:
                _expected = f(*json.loads(_text))
                _found = candidate(*json.loads(_text))
                assert _is_same(_found, _expected, 0)
        "#);
        assert!(test.contains("tolerance = 1e-6") && !test.contains("DEFAULT"));
    }
}
