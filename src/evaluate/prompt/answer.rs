//! A model's text to what is judged.

use super::super::candidate::{self, Form};
use super::fence;
use super::settings::{Rule, Settings, Task, Thoughts};
use super::variables::{ends_in_by, missing_by, with_line_break};
use crate::selfplay::prompts::PromptStyle;
use proofloop_datasets::{IsabelleProblem, Kind, LeanProblem, Problem, PythonProblem};
use proofloop_verifiers::candidate::{Candidate, IsabelleCandidate, IsabelleStatement, LeanCandidate};
use proofloop_verifiers::lean::{header, lexer};

const END_OF_THOUGHTS: &str = "</think>";

/// An answer, in the form that its problem is judged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extracted {
    /// Stands directly behind the statement, whose white space at the end is left out.
    LeanCompletion(String),
    /// A whole file, which has to prove the statement under its name.
    LeanFile(String),
    /// Stands directly behind HumanEval's prompt.
    PythonCompletion(String),
    /// A whole program.
    PythonProgram(String),
    /// A proof, behind the statement.
    IsabelleProof(String),
    /// A whole theory, which has to prove the statement.
    IsabelleTheory(String),
}

/// A model's text holds no answer. The sample counts as failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// There is nothing, or only white space, where the answer should be.
    #[error("the answer is empty")]
    Empty,
    /// There is no block of the family's languages.
    #[error("there is no block in {}", listed(languages))]
    NoBlock {
        /// The family's.
        languages: Vec<String>,
    },
    /// Every block that was begun lacks its end.
    #[error("the block with the answer is not closed")]
    Unterminated,
    /// There are blocks, but none that could be the answer.
    #[error("no block contains {}", listed(contains))]
    NotInBlocks {
        /// All of these would have to be in one block.
        contains: Vec<String>,
    },
    /// The model was still thinking.
    #[error("the thoughts do not end")]
    UnfinishedThoughts,
    /// Not what the family asks.
    #[error("the family asks no tasks of the kind `{}`", task.name())]
    OtherTask {
        /// What the problem is.
        task: Task,
    },
}

fn listed(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

impl NoAnswer {
    /// The stable name, for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoBlock { .. } => "no-block",
            Self::Unterminated => "unterminated",
            Self::NotInBlocks { .. } => "not-in-blocks",
            Self::UnfinishedThoughts => "unfinished-thoughts",
            Self::OtherTask { .. } => "other-task",
        }
    }
}

impl Extracted {
    /// The text itself.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::LeanCompletion(text)
            | Self::LeanFile(text)
            | Self::PythonCompletion(text)
            | Self::PythonProgram(text)
            | Self::IsabelleProof(text)
            | Self::IsabelleTheory(text) => text,
        }
    }

    /// What is judged: the answer with the statement or the tests of its problem. `None` if it answers a problem of
    /// another kind.
    ///
    /// Tests that a data set keeps apart (MBPP's challenge tests) are not among them.
    #[must_use]
    pub fn candidate(&self, problem: &Problem) -> Option<Candidate> {
        match (&problem.kind, self) {
            (Kind::Lean(lean), Self::LeanCompletion(completion)) => {
                Some(Candidate::Lean(LeanCandidate::Completion {
                    header: lean.header.clone(),
                    statement: lean.statement.trim_end().to_owned(),
                    completion: completion.clone(),
                }))
            }
            (Kind::Lean(lean), Self::LeanFile(code)) => Some(Candidate::Lean(LeanCandidate::File {
                code: code.clone(),
                statement: Some(lean.statement.trim_end().to_owned()),
            })),
            (Kind::Python(python), Self::PythonCompletion(text)) => {
                candidate::python(python, Form::Completion, text).map(Candidate::Python)
            }
            (Kind::Python(python), Self::PythonProgram(text)) => {
                candidate::python(python, Form::Whole, text).map(Candidate::Python)
            }
            (Kind::Isabelle(isabelle), Self::IsabelleProof(completion)) => {
                let IsabelleProblem { imports, header, statement } = isabelle.clone();
                let completion = completion.clone();
                Some(Candidate::Isabelle(IsabelleCandidate::Completion {
                    imports,
                    header,
                    statement,
                    completion,
                }))
            }
            (Kind::Isabelle(isabelle), Self::IsabelleTheory(code)) => {
                let IsabelleProblem { imports, header, statement } = isabelle.clone();
                let pinned = Some(IsabelleStatement { imports, header, statement });
                Some(Candidate::Isabelle(IsabelleCandidate::File { code: code.clone(), pinned }))
            }
            (Kind::LeanGaps(_), _)
            | (Kind::Lean(_) | Kind::Isabelle(_), Self::PythonCompletion(_) | Self::PythonProgram(_))
            | (Kind::Python(_) | Kind::Isabelle(_), Self::LeanCompletion(_) | Self::LeanFile(_))
            | (Kind::Lean(_) | Kind::Python(_), Self::IsabelleProof(_) | Self::IsabelleTheory(_)) => None,
        }
    }
}

pub(super) fn read(settings: &Settings, problem: &Problem, text: &str) -> Result<Extracted, NoAnswer> {
    let task = Task::of(problem);
    if !settings.tasks.contains(&task) {
        return Err(NoAnswer::OtherTask { task });
    }
    let end = settings.stop.iter().filter_map(|stop| text.find(stop.as_str())).min();
    let text = &text[..end.unwrap_or(text.len())];
    match &settings.answer {
        Rule::Indented => {
            let proof = not_empty(PromptStyle::Plain.read_proof(text))?;
            Ok(of_continuation(problem, proof, missing_by))
        }
        Rule::Continuation { new_line } => {
            let line_break = |statement: &str| if *new_line && ends_in_by(statement) { "\n" } else { "" };
            Ok(of_continuation(problem, not_empty(text)?, line_break))
        }
        Rule::LastBlock { languages, contains, thoughts } => {
            let block = last_block(behind_thoughts(text, *thoughts)?, languages, contains)?;
            Ok(match &problem.kind {
                Kind::Lean(lean) => Extracted::LeanFile(with_header(lean, block)),
                Kind::LeanGaps(_) => Extracted::LeanFile(block),
                Kind::Isabelle(_) => Extracted::IsabelleTheory(block),
                Kind::Python(_) => Extracted::PythonProgram(block),
            })
        }
    }
}

fn not_empty(text: &str) -> Result<&str, NoAnswer> {
    if text.trim().is_empty() { Err(NoAnswer::Empty) } else { Ok(text) }
}

/// `joint` is what the prompt has between a statement and the answer.
fn of_continuation(problem: &Problem, text: &str, joint: impl Fn(&str) -> &'static str) -> Extracted {
    match &problem.kind {
        Kind::Lean(lean) => {
            Extracted::LeanCompletion(format!("{}{}", joint(&lean.statement), text.trim_end()))
        }
        Kind::LeanGaps(_) => Extracted::LeanFile(text.to_owned()),
        Kind::Isabelle(_) => Extracted::IsabelleProof(text.to_owned()),
        Kind::Python(
            PythonProblem::HumanEval { .. }
            | PythonProblem::InputsAndOracle { .. }
            | PythonProblem::Function { .. },
        ) => Extracted::PythonCompletion(text.to_owned()),
        Kind::Python(
            PythonProblem::Asserts { .. } | PythonProblem::StdinStdout { .. } | PythonProblem::Calls { .. },
        ) => Extracted::PythonProgram(text.to_owned()),
    }
}

fn behind_thoughts(text: &str, thoughts: Thoughts) -> Result<&str, NoAnswer> {
    match (thoughts, text.rfind(END_OF_THOUGHTS)) {
        (Thoughts::Search, _) => Ok(text),
        (Thoughts::Skip, Some(end)) => Ok(&text[end + END_OF_THOUGHTS.len()..]),
        (Thoughts::Skip, None) if text.trim_start().starts_with("<think>") => {
            Err(NoAnswer::UnfinishedThoughts)
        }
        (Thoughts::Skip, None) => Ok(text),
    }
}

fn last_block(text: &str, languages: &[String], contains: &[String]) -> Result<String, NoAnswer> {
    let is_whole = |info: &str, text: &str| !info.starts_with("lean") || is_outside_comments(text);
    let blocks = fence::blocks(text, is_whole);
    let closed_in =
        |language: &&String| blocks.iter().any(|block| block.is_closed && block.info == **language);
    let Some(language) = languages.iter().find(closed_in) else {
        let is_begun = blocks.iter().any(|block| languages.iter().any(|language| block.info == language));
        return Err(if is_begun {
            NoAnswer::Unterminated
        } else {
            NoAnswer::NoBlock { languages: languages.to_vec() }
        });
    };
    let is_answer = |block: &&fence::Block<'_>| {
        block.is_closed
            && block.info == language
            && contains.iter().all(|word| block.text.contains(word.as_str()))
    };
    let block = blocks.iter().rev().find(is_answer);
    let block = block.ok_or_else(|| NoAnswer::NotInBlocks { contains: contains.to_vec() })?;
    not_empty(block.text).map(|text| text.replace("\r\n", "\n"))
}

/// The last block that is closed in the first of these languages that has one; `""` is none named.
pub(crate) fn last_block_in(text: &str, languages: &[&str]) -> Option<String> {
    let languages: Vec<String> = languages.iter().map(|&language| language.to_owned()).collect();
    last_block(text, &languages, &[]).ok()
}

/// Whether what follows `text` is code.
fn is_outside_comments(text: &str) -> bool {
    lexer::tokenize(text).is_ok_and(|tokens| {
        let last = tokens.last();
        text.ends_with('\n') || !last.is_some_and(|token| token.text.starts_with("--"))
    })
}

/// A file that neither imports anything nor repeats its problem's header gets that header: models leave it out.
fn with_header(problem: &LeanProblem, code: String) -> String {
    let has_imports = header::split(&code).is_ok_and(|split| !split.imports.is_empty());
    let header = problem.header.trim();
    if header.is_empty() || has_imports || code.contains(header) {
        code
    } else {
        format!("{}{code}", with_line_break(&problem.header))
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
