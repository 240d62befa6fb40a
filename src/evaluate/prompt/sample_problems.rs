//! Problems of our own for the tests, in the form of the published ones.

use proofloop_datasets::{IsabelleProblem, Kind, LeanProblem, Metadata, Problem, PythonProblem, Split};
use std::path::PathBuf;

/// As DeepSeek's miniF2F has its records.
pub(in crate::evaluate) fn lean() -> Problem {
    Problem {
        name: "double_lt".to_owned(),
        split: Split::Test,
        source: "here".to_owned(),
        kind: Kind::Lean(LeanProblem {
            header: "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 0\n\nopen Real Nat\n\n".to_owned(),
            statement: "theorem double_lt (a b : ℕ) (h₀ : a < b) (h₁ : b < 10 ∧ \"<&>\" ≠ \"\") :\n    2 * a < 20 := by\n"
                .to_owned(),
        }),
        known: None,
        informal: "/-- If $a<b$ and $b<10$, show that $2a < 20$.-/\n".to_owned(),
        metadata: Metadata::default(),
    }
}

/// As our core-Lean files have them: no header, no words, no line break.
pub(in crate::evaluate) fn bare_lean(statement: &str) -> Problem {
    let kind = Kind::Lean(LeanProblem { header: String::new(), statement: statement.to_owned() });
    Problem { name: "bare".to_owned(), kind, informal: String::new(), ..lean() }
}

/// As miniF2F's theories are read.
pub(in crate::evaluate) fn isabelle() -> Problem {
    let kind = Kind::Isabelle(IsabelleProblem {
        imports: vec!["Complex_Main".to_owned(), "HOL-Library.Sum_of_Squares".to_owned()],
        header: "definition \"f = (1::nat)\"".to_owned(),
        statement: "theorem t:\n  shows \"f = 1\"".to_owned(),
    });
    Problem { name: "t".to_owned(), kind, informal: String::new(), ..lean() }
}

pub(in crate::evaluate) fn human_eval() -> Problem {
    let kind = PythonProblem::HumanEval {
        prompt: "from typing import List\n\n\ndef first(words: List[str]) -> str:\n    \"\"\" The first & <best>.\n    >>> first(['a', 'b'])\n    'a'\n    \"\"\"\n".to_owned(),
        entry_point: "first".to_owned(),
        test: "def check(candidate):\n    assert candidate(['a', 'b']) == 'a'\n".to_owned(),
    };
    Problem { name: "Own/0".to_owned(), kind: Kind::Python(kind), informal: String::new(), ..lean() }
}

pub(in crate::evaluate) fn function() -> Problem {
    let kind = PythonProblem::Function {
        prompt: "def add(a, b):\n    \"\"\"Add.\"\"\"\n".to_owned(),
        entry_point: "add".to_owned(),
        tests: vec!["assert add(1, 2) == 3".to_owned()],
        hidden_tests: vec!["assert add(0, 0) == 0".to_owned()],
    };
    Problem { name: "pw_add".to_owned(), kind: Kind::Python(kind), informal: String::new(), ..lean() }
}

pub(in crate::evaluate) fn asserts() -> Problem {
    mbpp("MBPP/11", "Write a function to add & <compare>.", "add", "def add(a, b):\r\n  return a + b")
}

/// `function` is what tests call, and they call it with the number of the test.
pub(in crate::evaluate) fn mbpp(name: &str, text: &str, function: &str, code: &str) -> Problem {
    let kind = PythonProblem::Asserts {
        setup: String::new(),
        tests: (0..3).map(|number| format!("assert {function}({number}, 1) == {}", number + 1)).collect(),
        challenge_tests: vec!["assert hidden()".to_owned()],
    };
    Problem {
        name: name.to_owned(),
        kind: Kind::Python(kind),
        known: Some(code.to_owned()),
        informal: text.to_owned(),
        ..lean()
    }
}

/// A file of the shared data, or `None`, with the reason printed, where it is absent.
pub(in crate::evaluate) fn shared(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PROOFLOOP_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not on this machine (PROOFLOOP_SHARED_DATA names the folder)", path.display());
    None
}
