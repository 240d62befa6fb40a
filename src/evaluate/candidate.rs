//! From what a generator wrote to what is judged.

use super::oracle;
use super::prompt::{Extracted, PromptFamily};
use proofloop_datasets::{Kind, Problem, PythonProblem};
use proofloop_verifiers::candidate::{Candidate, IoCase, LeanCandidate, PythonCandidate};

/// How a sample is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What a model wrote: the prompt family takes the answer out of it.
    Raw,
    /// What goes on behind the statement, or behind the prompt of the task.
    Completion,
    /// The whole file, or the whole program.
    Whole,
}

impl Form {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Completion => "completion",
            Self::Whole => "whole",
        }
    }

    /// The form of a stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Raw, Self::Completion, Self::Whole].into_iter().find(|form| form.name() == name)
    }
}

/// The candidate that is judged: statement, prompt and tests are the problem's, whatever the sample says. What a model wrote is
/// taken as a completion where there is no family to read it.
///
/// # Errors
/// Why it holds no answer: the sample has failed.
pub fn candidate(
    problem: &Problem,
    form: Form,
    text: &str,
    family: Option<&PromptFamily>,
) -> Result<Candidate, String> {
    let answer = match (form, family) {
        (Form::Raw, Some(family)) => family.extract(problem, text).map_err(|none| none.to_string())?,
        (Form::Raw | Form::Completion, _) => match &problem.kind {
            // The statement to its last space: it was continued as it is.
            Kind::Lean(lean) => {
                return Ok(Candidate::Lean(LeanCandidate::Completion {
                    header: lean.header.clone(),
                    statement: lean.statement.clone(),
                    completion: text.to_owned(),
                }));
            }
            Kind::Python(
                PythonProblem::HumanEval { .. }
                | PythonProblem::InputsAndOracle { .. }
                | PythonProblem::Function { .. },
            ) => Extracted::PythonCompletion(text.to_owned()),
            Kind::Isabelle(_) => Extracted::IsabelleProof(text.to_owned()),
            Kind::Python(_) | Kind::LeanGaps(_) => Extracted::PythonProgram(text.to_owned()),
        },
        (Form::Whole, _) => match &problem.kind {
            Kind::Lean(_) => Extracted::LeanFile(text.to_owned()),
            Kind::Isabelle(_) => Extracted::IsabelleTheory(text.to_owned()),
            Kind::Python(_) | Kind::LeanGaps(_) => Extracted::PythonProgram(text.to_owned()),
        },
    };
    answer.candidate(problem).ok_or_else(|| "the answer is of another kind than the problem".to_owned())
}

/// A program with the tests of its task; `None` if the task has no prompt that it could complete. Tests that a data set keeps
/// apart (MBPP's challenge tests) are not among them.
#[must_use]
pub(super) fn python(problem: &PythonProblem, form: Form, text: &str) -> Option<PythonCandidate> {
    // A whole program stands for itself, as EvalPlus's `solution` does.
    let prompt_of = |prompt: &str| if form == Form::Whole { String::new() } else { prompt.to_owned() };
    let text = text.to_owned();
    match problem {
        PythonProblem::HumanEval { prompt, entry_point, test } => Some(PythonCandidate::HumanEval {
            prompt: prompt_of(prompt),
            completion: text,
            test: test.clone(),
            entry_point: entry_point.clone(),
        }),
        PythonProblem::InputsAndOracle {
            prompt,
            entry_point,
            oracle,
            contract: _,
            base_inputs,
            plus_inputs,
            tolerance,
        } => {
            let inputs: Vec<&str> = base_inputs.iter().chain(plus_inputs).map(String::as_str).collect();
            let program = format!("{prompt}{oracle}");
            Some(PythonCandidate::HumanEval {
                prompt: prompt_of(prompt),
                completion: text,
                test: oracle::by_program(&program, entry_point, &inputs, tolerance),
                entry_point: entry_point.clone(),
            })
        }
        PythonProblem::Function { prompt, entry_point: _, tests, hidden_tests } => {
            Some(PythonCandidate::Asserts {
                code: prompt_of(prompt) + &text,
                setup: String::new(),
                tests: tests.iter().chain(hidden_tests).cloned().collect(),
            })
        }
        PythonProblem::Asserts { setup, tests, challenge_tests: _ } => {
            let is_program = form == Form::Whole;
            is_program.then(|| PythonCandidate::Asserts {
                code: text,
                setup: setup.clone(),
                tests: tests.clone(),
            })
        }
        PythonProblem::StdinStdout { starter: _, cases } => {
            let case = |case: &proofloop_datasets::IoCase| IoCase {
                stdin: case.stdin.clone(),
                stdout: case.stdout.clone(),
            };
            Some(PythonCandidate::StdinStdout { code: text, cases: cases.iter().map(case).collect() })
        }
        PythonProblem::Calls { entry_point, starter: _, cases } => Some(PythonCandidate::HumanEval {
            prompt: String::new(),
            completion: text + &oracle::function_of_class(entry_point),
            test: oracle::by_results(cases),
            entry_point: entry_point.clone(),
        }),
    }
}
