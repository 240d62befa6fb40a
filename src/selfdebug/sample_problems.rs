//! Problems for the tests of what is asked and read.

use proofloop_datasets::{Kind, Metadata, Problem, PythonProblem, Split};

/// A problem `f` without words.
pub(super) fn problem(kind: Kind) -> Problem {
    Problem {
        name: "f".to_owned(),
        split: Split::Train,
        source: "here".to_owned(),
        kind,
        known: None,
        informal: String::new(),
        metadata: Metadata::default(),
    }
}

/// A task with one test.
pub(super) fn python() -> Problem {
    problem(Kind::Python(PythonProblem::Function {
        prompt: "def f(xs):\n    \"\"\"Return the largest.\"\"\"\n".to_owned(),
        entry_point: "f".to_owned(),
        tests: vec!["assert f([]) == 0".to_owned()],
        hidden_tests: Vec::new(),
    }))
}
