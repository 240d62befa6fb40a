//! What is judged: one complete candidate, content-addressed.

use serde::{Deserialize, Serialize};

/// One complete thing to judge: a problem together with its completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// A Lean 4 candidate.
    Lean(LeanCandidate),
    /// A Python candidate.
    Python(PythonCandidate),
    /// An Isabelle/HOL candidate.
    Isabelle(IsabelleCandidate),
}

/// A Lean candidate: either a completion of a pinned statement, or a whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeanCandidate {
    /// `statement` (trusted, ends where the completion goes on) followed by `completion` (untrusted).
    Completion {
        /// Imports and the context before the statement; trusted.
        header: String,
        /// The pinned statement, for instance `theorem t (n : Nat) : n = n := by`.
        statement: String,
        /// What the prover wrote.
        completion: String,
    },
    /// A whole file (untrusted). With a statement, the file must prove exactly that theorem under its name.
    File {
        /// The file's text.
        code: String,
        /// The pinned statement, as in [`LeanCandidate::Completion`], complete up to `:=` or `:= by`.
        statement: Option<String>,
    },
}

/// An Isabelle candidate: either a proof of a pinned statement, or a whole theory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsabelleCandidate {
    /// `statement` (trusted, a theorem up to its proof) and `completion` (untrusted, the proof).
    Completion {
        /// Theories to import, without quotation marks; trusted.
        imports: Vec<String>,
        /// What is defined before the theorem; trusted.
        header: String,
        /// The pinned theorem up to its proof, for instance `theorem t: shows "(1::nat) + 1 = 2"`.
        statement: String,
        /// What the prover wrote.
        completion: String,
    },
    /// A whole theory (untrusted). Pinned, it must prove exactly that theorem, with nothing but lemmas before it.
    File {
        /// The theory's text.
        code: String,
        /// What it must prove.
        pinned: Option<IsabelleStatement>,
    },
}

/// A pinned theorem of Isabelle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsabelleStatement {
    /// As in [`IsabelleCandidate::Completion`].
    pub imports: Vec<String>,
    /// As there.
    pub header: String,
    /// As there.
    pub statement: String,
}

/// A Python candidate in one of the three forms that the field uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PythonCandidate {
    /// HumanEval: `prompt + completion` defines `entry_point`; `test` defines `check(candidate)`.
    HumanEval {
        /// Imports, helpers, signature and docstring; trusted text, but run with the candidate.
        prompt: String,
        /// What the model wrote.
        completion: String,
        /// Trusted test program that defines `check`.
        test: String,
        /// Name of the function under test.
        entry_point: String,
    },
    /// MBPP: a program and statements (`assert f(1) == 2`) that are run against its names.
    Asserts {
        /// What the model wrote.
        code: String,
        /// Trusted code that runs before the tests (imports, helpers); may be empty.
        setup: String,
        /// Trusted test statements; at least one.
        tests: Vec<String>,
    },
    /// A program that reads standard input and writes standard output.
    StdinStdout {
        /// What the model wrote.
        code: String,
        /// At least one case.
        cases: Vec<IoCase>,
    },
}

/// One input and the output that is expected for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoCase {
    /// Given to the program as standard input.
    pub stdin: String,
    /// Expected standard output; compared line by line without trailing white space.
    pub stdout: String,
}

/// Content address of a candidate under one checker and one policy (blake3, 32 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address([u8; 32]);

impl Address {
    /// Hashes the checker's identity, the policy that can change a verdict, and the candidate's text.
    /// Every part is length-prefixed, so that no two different splits give the same bytes.
    #[must_use]
    pub fn of(checker: &str, policy: &str, candidate: &Candidate) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        part("proofloop-candidate-v1");
        part(checker);
        part(policy);
        candidate.for_each_part(&mut part);
        Self(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Candidate {
    /// Which family of checkers judges it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Lean(_) => Kind::Lean,
            Self::Python(_) => Kind::Python,
            Self::Isabelle(_) => Kind::Isabelle,
        }
    }

    fn for_each_part(&self, part: &mut impl FnMut(&str)) {
        match self {
            Self::Lean(LeanCandidate::Completion { header, statement, completion }) => {
                ["lean-completion", header, statement, completion].into_iter().for_each(part);
            }
            Self::Lean(LeanCandidate::File { code, statement }) => {
                part(if statement.is_some() { "lean-file-pinned" } else { "lean-file" });
                [code, statement.as_deref().unwrap_or_default()].into_iter().for_each(part);
            }
            Self::Isabelle(IsabelleCandidate::Completion { imports, header, statement, completion }) => {
                let imports = imports.join("\n");
                ["isabelle-completion", &imports, header, statement, completion].into_iter().for_each(part);
            }
            Self::Isabelle(IsabelleCandidate::File { code, pinned }) => match pinned {
                None => ["isabelle-file", code].into_iter().for_each(part),
                Some(IsabelleStatement { imports, header, statement }) => {
                    let imports = imports.join("\n");
                    ["isabelle-file-pinned", code, &imports, header, statement].into_iter().for_each(part);
                }
            },
            Self::Python(PythonCandidate::HumanEval { prompt, completion, test, entry_point }) => {
                ["python-humaneval", prompt, completion, test, entry_point].into_iter().for_each(part);
            }
            Self::Python(PythonCandidate::Asserts { code, setup, tests }) => {
                ["python-asserts", code, setup].into_iter().for_each(&mut *part);
                tests.iter().for_each(|test| part(test));
            }
            Self::Python(PythonCandidate::StdinStdout { code, cases }) => {
                ["python-stdin-stdout", code].into_iter().for_each(&mut *part);
                for case in cases {
                    part(&case.stdin);
                    part(&case.stdout);
                }
            }
        }
    }
}

/// The family of checkers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Lean 4.
    Lean,
    /// Python.
    Python,
    /// Isabelle/HOL.
    Isabelle,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(statement: &str, completion: &str) -> Candidate {
        Candidate::Lean(LeanCandidate::Completion {
            header: String::new(),
            statement: statement.to_owned(),
            completion: completion.to_owned(),
        })
    }

    #[test]
    fn moving_a_character_between_parts_changes_the_address() {
        let one = Address::of("lean", "", &completion("ab", "c"));
        let other = Address::of("lean", "", &completion("a", "bc"));
        assert_ne!(one, other);
    }

    #[test]
    fn checker_and_policy_are_part_of_the_address() {
        let candidate = completion("a", "b");
        let base = Address::of("lean 4.28", "p", &candidate);
        assert_eq!(base, Address::of("lean 4.28", "p", &candidate));
        assert_ne!(base, Address::of("lean 4.29", "p", &candidate));
        assert_ne!(base, Address::of("lean 4.28", "q", &candidate));
    }
}
