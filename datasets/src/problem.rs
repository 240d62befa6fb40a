//! What a data set holds: one thing to prove or to program, whatever file it came from.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One problem: a formal statement with its header, or a programming task with its tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The name that its data set gives it; unique there, except where the data set itself repeats one.
    pub name: String,
    /// The part of the data set it belongs to.
    pub split: Split,
    /// The data set, as named by whoever opened the file.
    pub source: String,
    /// What is asked.
    pub kind: Kind,
    /// A proof or a program that is published with the problem. Nothing here says that it was checked.
    pub known: Option<String>,
    /// The question in words, as published: for Lean with its comment marks. Empty if there is none.
    pub informal: String,
    /// What else the format says.
    pub metadata: Metadata,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A statement to prove in Lean 4.
    Lean(LeanProblem),
    /// A Lean 4 text with gaps: definitions to write, and theorems to prove about them.
    LeanGaps(LeanGaps),
    /// A statement to prove in Isabelle/HOL.
    Isabelle(IsabelleProblem),
    /// A program to write.
    Python(PythonProblem),
}

/// A Lean 4 statement to prove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanProblem {
    /// Imports, options, `open`s and definitions before the statement; may be empty.
    pub header: String,
    /// The statement, to be continued by a proof: ends in `:= by` or `:=`, perhaps with white space after it.
    pub statement: String,
}

/// A Lean 4 text in which every `sorry` is to be replaced: an answer or a program, and the proofs about it. What is
/// asked cannot be judged by a theorem alone, for whoever answers chooses what the theorem is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeanGaps {
    /// Imports, `open`s and definitions that are given; may be empty.
    pub header: String,
    /// Definitions and theorems in their order, with `sorry` wherever something is to be written.
    pub text: String,
}

/// An Isabelle statement to prove. Symbols are written as in `.thy` files (`\<and>`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsabelleProblem {
    /// Theories that the statement's theory imports, without quotation marks; at least one.
    pub imports: Vec<String>,
    /// Definitions between `begin` and the statement; mostly empty.
    pub header: String,
    /// The statement, from its keyword to the end of its claim: a proof may follow.
    pub statement: String,
}

/// A Python programming task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PythonProblem {
    /// `prompt + completion` defines `entry_point`; `test` defines `check(candidate)`.
    HumanEval {
        /// Imports, helpers, signature and docstring.
        prompt: String,
        /// Name of the function under test.
        entry_point: String,
        /// Program that defines `check`.
        test: String,
    },
    /// A whole program, judged by statements run against its names.
    Asserts {
        /// Code that runs before the tests; may be empty.
        setup: String,
        /// The tests; at least one.
        tests: Vec<String>,
        /// Further tests that the data set keeps apart; may be empty.
        challenge_tests: Vec<String>,
    },
    /// `prompt + completion` defines `entry_point`, which is judged by statements. The programming workbook and the planted
    /// tasks are of this form.
    Function {
        /// Imports, helpers, signature and docstring.
        prompt: String,
        /// Name of the function under test.
        entry_point: String,
        /// Tests that whoever solves the task may see, as Python statements (`assert f(2) == 3`); at least one.
        tests: Vec<String>,
        /// Tests of the same form that are never shown and only decide the verdict; may be empty.
        hidden_tests: Vec<String>,
    },
    /// EvalPlus: `prompt + completion` defines `entry_point`, which must give what `prompt + oracle` gives.
    InputsAndOracle {
        /// Imports, helpers, signature and docstring (HumanEval+), or the question as a docstring (MBPP+).
        prompt: String,
        /// Name of the function under test.
        entry_point: String,
        /// The completion that is taken for right.
        oracle: String,
        /// Statements that an input must pass to be allowed; may be empty.
        contract: String,
        /// The data set's own inputs: each the JSON text of a list of arguments, as published. MBPP+ writes tuples, sets
        /// and complex numbers as lists and texts, and leaves it to EvalPlus to know for which tasks.
        base_inputs: Vec<String>,
        /// The inputs that EvalPlus adds, in the same form; may be empty.
        plus_inputs: Vec<String>,
        /// Floating-point results may differ by this much, as a decimal number; `0` for not at all.
        tolerance: String,
    },
    /// A program that reads standard input and writes standard output (APPS).
    StdinStdout {
        /// Text that the program may go on from; may be empty.
        starter: String,
        /// At least one.
        cases: Vec<IoCase>,
    },
    /// A program whose function, or method of a class `Solution`, is called (APPS with `fn_name`).
    Calls {
        /// Name of the function or method.
        entry_point: String,
        /// Text that the program may go on from; may be empty.
        starter: String,
        /// At least one.
        cases: Vec<CallCase>,
    },
}

/// One input and the output that is expected for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoCase {
    /// Given to the program as standard input.
    pub stdin: String,
    /// Expected standard output.
    pub stdout: String,
}

/// One call and the result that is expected of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCase {
    /// The JSON text of the list of arguments, as published.
    pub arguments: String,
    /// The JSON text of the result, as published. APPS often wraps it in a list of one.
    pub result: String,
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose settings by.
    Valid,
    /// To report on, and nothing else.
    Test,
    /// To show as examples in a prompt (MBPP's first ten).
    Prompt,
}

impl Split {
    /// Reads the names that published files use; `None` for any other.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "train" => Some(Self::Train),
            "valid" | "validation" | "val" | "dev" => Some(Self::Valid),
            "test" => Some(Self::Test),
            "prompt" => Some(Self::Prompt),
            _ => None,
        }
    }

    /// The split of a task of MBPP, which is by number: 1-10 prompt, 11-510 test, 511-600 validation, 601-974 train.
    #[must_use]
    pub fn of_mbpp(number: u64) -> Option<Self> {
        match number {
            1..=10 => Some(Self::Prompt),
            11..=510 => Some(Self::Test),
            511..=600 => Some(Self::Valid),
            601..=974 => Some(Self::Train),
            _ => None,
        }
    }

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
            Self::Prompt => "prompt",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What some formats say besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The subject, for instance `nat`.
    pub topic: Option<String>,
    /// From 1 (trivial) upwards; the scale is the data set's own.
    pub difficulty: Option<u8>,
    /// Where the data set took it from (its own `source` field).
    pub origin: Option<String>,
    /// The licence of this one record.
    pub license: Option<String>,
}

/// Content hash of a problem (blake3, 32 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Problem {
    /// Hashes what is asked: header and statement, or prompt, tests and entry point, white space and all.
    /// Name, split, source, known solution, words and metadata are labels and stay out, so that one statement in
    /// two data sets has one hash (as far as the name inside the statement is the same).
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let mut parts = Parts::new("proofloop-problem-v1");
        match &self.kind {
            Kind::Lean(LeanProblem { header, statement }) => {
                parts.texts(&["lean", header, statement]);
            }
            Kind::LeanGaps(LeanGaps { header, text }) => parts.texts(&["lean-gaps", header, text]),
            Kind::Isabelle(IsabelleProblem { imports, header, statement }) => {
                parts.texts(&["isabelle", header, statement]);
                parts.list(imports);
            }
            Kind::Python(problem) => parts.python(problem),
        }
        ContentHash(parts.finish())
    }

    /// What sort of answer is wanted, in one word: `lean`, `lean-gaps`, `isabelle` or `python`.
    #[must_use]
    pub fn language(&self) -> &'static str {
        match &self.kind {
            Kind::Lean(_) => "lean",
            Kind::LeanGaps(_) => "lean-gaps",
            Kind::Isabelle(_) => "isabelle",
            Kind::Python(_) => "python",
        }
    }
}

/// Feeds a hasher parts that are each preceded by their length, so that no two different splits give the same bytes.
pub(crate) struct Parts(blake3::Hasher);

impl Parts {
    /// `domain` says what is hashed, so that no two kinds of things share a hash.
    pub(crate) fn new(domain: &str) -> Self {
        let mut parts = Self(blake3::Hasher::new());
        parts.text(domain);
        parts
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text.as_bytes());
    }

    pub(crate) fn texts(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.text(text));
    }

    fn list(&mut self, texts: &[String]) {
        self.number(texts.len());
        texts.iter().for_each(|text| self.text(text));
    }

    fn python(&mut self, problem: &PythonProblem) {
        match problem {
            PythonProblem::HumanEval { prompt, entry_point, test } => {
                self.texts(&["python-humaneval", prompt, entry_point, test]);
            }
            PythonProblem::Asserts { setup, tests, challenge_tests } => {
                self.texts(&["python-asserts", setup]);
                self.list(tests);
                self.list(challenge_tests);
            }
            PythonProblem::Function { prompt, entry_point, tests, hidden_tests } => {
                self.texts(&["python-function", prompt, entry_point]);
                self.list(tests);
                self.list(hidden_tests);
            }
            PythonProblem::InputsAndOracle {
                prompt,
                entry_point,
                oracle,
                contract,
                base_inputs,
                plus_inputs,
                tolerance,
            } => {
                self.texts(&["python-oracle", prompt, entry_point, oracle, contract, tolerance]);
                self.list(base_inputs);
                self.list(plus_inputs);
            }
            PythonProblem::StdinStdout { starter, cases } => {
                self.texts(&["python-stdio", starter]);
                self.number(cases.len());
                cases.iter().for_each(|case| self.texts(&[&case.stdin, &case.stdout]));
            }
            PythonProblem::Calls { entry_point, starter, cases } => {
                self.texts(&["python-calls", entry_point, starter]);
                self.number(cases.len());
                cases.iter().for_each(|case| self.texts(&[&case.arguments, &case.result]));
            }
        }
    }

    fn number(&mut self, number: usize) {
        self.0.update(&(number as u64).to_le_bytes());
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lean(header: &str, statement: &str) -> Problem {
        Problem {
            name: "t".to_owned(),
            split: Split::Train,
            source: "here".to_owned(),
            kind: Kind::Lean(LeanProblem { header: header.to_owned(), statement: statement.to_owned() }),
            known: None,
            informal: String::new(),
            metadata: Metadata::default(),
        }
    }

    fn asserts(tests: &[&str], challenge_tests: &[&str]) -> Problem {
        let owned = |list: &[&str]| list.iter().map(|test| (*test).to_owned()).collect();
        let kind = PythonProblem::Asserts {
            setup: String::new(),
            tests: owned(tests),
            challenge_tests: owned(challenge_tests),
        };
        Problem { kind: Kind::Python(kind), ..lean("", "") }
    }

    #[test]
    fn labels_stay_out_of_the_hash_and_white_space_is_kept() {
        let base = lean("", "theorem t : 1 = 1 := by");
        let relabelled = Problem {
            name: "other".to_owned(),
            split: Split::Test,
            known: Some("rfl".to_owned()),
            ..base.clone()
        };
        assert_eq!(base.content_hash(), relabelled.content_hash());
        assert_ne!(base.content_hash(), lean("", "theorem t : 1 = 1 := by ").content_hash());
    }

    #[test]
    fn moving_text_between_parts_changes_the_hash() {
        assert_ne!(lean("ab", "c").content_hash(), lean("a", "bc").content_hash());
        assert_ne!(asserts(&["a", "b"], &[]).content_hash(), asserts(&["a"], &["b"]).content_hash());
    }

    #[test]
    fn a_hidden_test_is_another_thing_than_a_shown_one() {
        let function = |tests: &[&str], hidden_tests: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|test| (*test).to_owned()).collect();
            let kind = PythonProblem::Function {
                prompt: "def f(x):\n".to_owned(),
                entry_point: "f".to_owned(),
                tests: owned(tests),
                hidden_tests: owned(hidden_tests),
            };
            Problem { kind: Kind::Python(kind), ..lean("", "") }
        };
        assert_ne!(function(&["a", "b"], &[]).content_hash(), function(&["a"], &["b"]).content_hash());
        assert_ne!(function(&["a"], &["b", "c"]).content_hash(), function(&["a"], &["b"]).content_hash());
        let json = serde_json::to_string(&function(&["a"], &["b"])).expect("JSON");
        assert!(json.contains(r#""python":{"function":{"prompt""#), "{json}");
        assert_eq!(serde_json::from_str::<Problem>(&json).expect("ours"), function(&["a"], &["b"]));
    }

    #[test]
    fn the_same_texts_in_two_forms_have_two_hashes() {
        let stdio = |pairs: &[(&str, &str)]| {
            let case = |(stdin, stdout): &(&str, &str)| IoCase {
                stdin: (*stdin).to_owned(),
                stdout: (*stdout).to_owned(),
            };
            let cases = pairs.iter().map(case).collect();
            PythonProblem::StdinStdout { starter: String::new(), cases }
        };
        let calls = PythonProblem::Calls {
            entry_point: String::new(),
            starter: String::new(),
            cases: vec![CallCase { arguments: "a".to_owned(), result: "b".to_owned() }],
        };
        let hash = |python| Problem { kind: Kind::Python(python), ..lean("", "") }.content_hash();
        assert_ne!(hash(stdio(&[("a", "b")])), hash(calls));
        assert_ne!(hash(stdio(&[("a", "b")])), hash(stdio(&[("a", "b"), ("a", "b")])));
        let gaps = Kind::LeanGaps(LeanGaps { header: "a".to_owned(), text: "b".to_owned() });
        assert_ne!(Problem { kind: gaps, ..lean("", "") }.content_hash(), lean("a", "b").content_hash());
    }

    #[test]
    fn a_hash_prints_as_64_hexadecimal_digits() {
        assert_eq!(lean("", "").content_hash().to_string().len(), 64);
    }
}
