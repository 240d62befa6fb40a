//! What a template may use of a problem.

use super::error::PromptError;
use super::settings::Task;
use crate::selfplay::statement;
use minijinja::{Value, context};
use proofloop_datasets::{Kind, LeanProblem, Problem, PythonProblem};
use proofloop_verifiers::isabelle::theory::import_list;

/// The variables of a task, as [`of`] gives them. What a problem is judged by, other than tests that are shown by
/// convention, is not among them.
pub(super) fn names(task: Task) -> &'static [&'static str] {
    match task {
        Task::Lean => &[
            "name",
            // With a line break at its end.
            "header",
            // The words as a doc comment, with a line break at its end; empty if there are none.
            "informal",
            // The words without comment marks.
            "words",
            // Without white space around it.
            "statement",
            // With a line break behind `:= by`. Behind `:=`, where a term may follow, there is none.
            "statement_line",
            // With `by` behind `:=`.
            "statement_by",
            // Without the theorem's name, attributes and comments; with `by`.
            "anonymous",
        ],
        Task::LeanGaps => &["name", "header", "words", "text"],
        // The imports as they are written behind `imports`.
        Task::Isabelle => &["name", "imports", "header", "words", "statement"],
        Task::HumanEval => &["name", "prompt", "entry_point"],
        Task::Asserts => &["name", "text", "setup", "tests"],
        Task::Program => &["name", "text", "starter"],
    }
}

/// The list of solved examples, each with what [`Task::Asserts`] has, and `code`.
pub(super) const EXAMPLES: &str = "examples";

/// One of the solved examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Example<'a> {
    pub(super) text: &'a str,
    pub(super) tests: &'a [String],
    pub(super) code: &'a str,
}

impl<'a> Example<'a> {
    /// # Errors
    /// [`PromptError::BadExample`] if it is of another kind or not solved.
    pub(super) fn of(problem: &'a Problem) -> Result<Self, PromptError> {
        match (&problem.kind, &problem.known) {
            (Kind::Python(PythonProblem::Asserts { tests, .. }), Some(code)) => {
                Ok(Self { text: &problem.informal, tests, code })
            }
            (Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_), _) => {
                Err(PromptError::BadExample { example: problem.name.clone() })
            }
        }
    }
}

/// The variables of a problem.
pub(super) fn of(problem: &Problem, examples: Option<&[Example<'_>]>) -> Value {
    let name = problem.name.as_str();
    match &problem.kind {
        Kind::Lean(lean) => lean_variables(name, &problem.informal, lean),
        Kind::LeanGaps(gaps) => {
            let header = with_line_break(&gaps.header);
            context! { name, header, words => without_comment_marks(&problem.informal), text => gaps.text.as_str() }
        }
        Kind::Isabelle(isabelle) => {
            let header = with_line_break(&isabelle.header);
            let statement = isabelle.statement.trim();
            let imports = import_list(&isabelle.imports);
            context! { name, imports, header, words => without_comment_marks(&problem.informal), statement }
        }
        Kind::Python(
            PythonProblem::HumanEval { prompt, entry_point, .. }
            | PythonProblem::InputsAndOracle { prompt, entry_point, .. }
            | PythonProblem::Function { prompt, entry_point, .. },
        ) => {
            context! { name, prompt, entry_point }
        }
        Kind::Python(PythonProblem::StdinStdout { starter, .. } | PythonProblem::Calls { starter, .. }) => {
            context! { name, text => problem.informal.as_str(), starter }
        }
        Kind::Python(PythonProblem::Asserts { setup, tests, .. }) => {
            let text = problem.informal.as_str();
            let tests = list(tests);
            match examples {
                None => context! { name, text, setup, tests },
                Some(examples) => {
                    let examples: Value = examples.iter().map(example).collect();
                    context! { name, text, setup, tests, examples }
                }
            }
        }
    }
}

fn example(example: &Example<'_>) -> Value {
    context! { text => example.text, tests => list(example.tests), code => example.code }
}

fn list(texts: &[String]) -> Value {
    texts.iter().map(String::as_str).collect()
}

fn lean_variables(name: &str, informal: &str, lean: &LeanProblem) -> Value {
    let statement = lean.statement.trim();
    let new_line = if ends_in_by(statement) { "\n" } else { "" };
    context! {
        name,
        header => with_line_break(&lean.header),
        informal => with_line_break(&as_comment(informal)),
        words => without_comment_marks(informal),
        statement,
        statement_line => format!("{statement}{new_line}"),
        statement_by => format!("{statement}{}", missing_by(statement)),
        anonymous => statement::without_name(statement),
    }
}

/// Whether tactics follow.
pub(super) fn ends_in_by(statement: &str) -> bool {
    let before = statement.trim_end().strip_suffix("by");
    before.is_some_and(|before| before.trim_end().ends_with(":="))
}

/// What lacks between a statement and tactics.
pub(super) fn missing_by(statement: &str) -> &'static str {
    if statement.trim_end().ends_with(":=") { " by" } else { "" }
}

pub(super) fn with_line_break(text: &str) -> String {
    let line_break = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{line_break}")
}

fn as_comment(informal: &str) -> String {
    if informal.trim().is_empty() {
        String::new()
    } else if informal.trim_start().starts_with("/-") || informal.trim_start().starts_with("--") {
        informal.to_owned()
    } else {
        format!("/-- {} -/", informal.trim())
    }
}

fn without_comment_marks(informal: &str) -> &str {
    let text = informal.trim();
    let text = ["/--", "/-"].iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text);
    text.strip_suffix("-/").unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::super::sample_problems::{asserts, function, human_eval, lean};
    use super::*;

    #[test]
    fn what_is_named_is_given() {
        for problem in [lean(), human_eval(), function(), asserts()] {
            let value = of(&problem, None);
            let mut given: Vec<String> =
                value.try_iter().expect("a map").map(|key| key.to_string()).collect();
            let mut named: Vec<&str> = names(Task::of(&problem)).to_vec();
            given.sort_unstable();
            named.sort_unstable();
            assert_eq!(given, named);
        }
    }

    #[test]
    fn line_breaks_are_where_published_records_have_them() {
        let value = |header: &str, informal: &str, statement: &str, name: &str| {
            let lean = LeanProblem { header: header.to_owned(), statement: statement.to_owned() };
            lean_variables("t", informal, &lean).get_attr(name).expect("there").to_string()
        };
        let statement = |statement: &str, name: &str| value("", "", statement, name);
        for written in ["theorem t : True := by", "theorem t : True := by\n", "theorem t : True :=  by \n"] {
            assert_eq!(statement(written, "statement_line"), format!("{}\n", written.trim_end()));
            assert_eq!(statement(written, "statement_by"), written.trim_end());
        }
        assert_eq!(statement("theorem t : True :=\n", "statement_line"), "theorem t : True :=");
        assert_eq!(statement("theorem t : True :=\n", "statement_by"), "theorem t : True := by");
        // A theorem that is only called so.
        assert_eq!(statement("theorem stand_by", "statement_line"), "theorem stand_by");
        assert_eq!(value("open Nat", "", "", "header"), "open Nat\n");
        assert_eq!(value("open Nat\n\n", "", "", "header"), "open Nat\n\n");
        assert_eq!(value("", "", "", "header"), "");
    }

    #[test]
    fn words_have_comment_marks_or_not() {
        for (informal, comment, words) in [
            ("/-- One.-/\n", "/-- One.-/\n", "One."),
            ("/-- One. -/", "/-- One. -/", "One."),
            ("/- One.\nTwo. -/\n", "/- One.\nTwo. -/\n", "One.\nTwo."),
            ("One.", "/-- One. -/", "One."),
            ("", "", ""),
            (" \n", "", ""),
        ] {
            assert_eq!(as_comment(informal), comment);
            assert_eq!(without_comment_marks(informal), words);
        }
    }
}
