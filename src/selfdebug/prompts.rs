//! What a model is asked in each turn, and what its answers mean. A trajectory reads as one text: the task, the first answer,
//! what was said of it as a comment, the next answer, and so on.

use super::settings::Language;
use crate::selfplay::prompts::PromptStyle;
use proofloop_datasets::{Kind, Problem, PythonProblem};

/// What a turn is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// An answer.
    Write,
    /// An answer, after one that has failed.
    Refine,
    /// What was wrong in one line, then an answer (LeDex's second instruction).
    Explain,
}

impl Ask {
    /// The role that examples have in the store.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Refine => "refine",
            Self::Explain => "explain",
        }
    }
}

/// What was read out of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What is wrong with the turn before, if that was asked.
    pub explanation: Option<String>,
    /// Behind a Python task its body, behind a Lean statement its proof.
    pub code: String,
}

/// An answer, and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What was answered.
    pub answer: Answer,
    /// See [`crate::evaluate::feedback`].
    pub feedback: String,
}

/// The comment sign of a language.
fn comment(language: Language) -> &'static str {
    match language {
        Language::Python => "# ",
        Language::Lean => "-- ",
    }
}

/// The text that a turn goes on from.
#[must_use]
pub fn prompt(problem: &Problem, failed: &[Failed], ask: Ask) -> String {
    let (language, mut text) = task(problem);
    let sign = comment(language);
    // Python's answers end in a line break, Lean's begin with one.
    let line = |text: &mut String, words: &str| match language {
        Language::Python => text.push_str(&format!("{sign}{words}\n")),
        Language::Lean => text.push_str(&format!("\n{sign}{words}")),
    };
    for (turn, one) in failed.iter().enumerate() {
        match &one.answer.explanation {
            Some(explanation) => line(&mut text, &format!("why: {explanation}")),
            None if turn > 0 => line(&mut text, "fix:"),
            None => {}
        }
        text.push_str(&one.answer.code);
        one.feedback.lines().for_each(|feedback| line(&mut text, feedback));
    }
    match (ask, language) {
        (Ask::Write, _) => {}
        (Ask::Refine, _) => line(&mut text, "fix:"),
        (Ask::Explain, Language::Python) => text.push_str(&format!("{sign}why: ")),
        (Ask::Explain, Language::Lean) => text.push_str(&format!("\n{sign}why: ")),
    }
    text
}

/// What is asked, as the first turn sees it.
fn task(problem: &Problem) -> (Language, String) {
    match &problem.kind {
        Kind::Python(
            PythonProblem::Function { prompt, .. }
            | PythonProblem::HumanEval { prompt, .. }
            | PythonProblem::InputsAndOracle { prompt, .. },
        ) => (Language::Python, format!("{}\n", prompt.trim_end())),
        Kind::Python(
            PythonProblem::Asserts { .. } | PythonProblem::StdinStdout { .. } | PythonProblem::Calls { .. },
        ) => (Language::Python, commented(&problem.informal)),
        Kind::Lean(lean) => (Language::Lean, PromptStyle::Plain.prover("", lean.statement.trim_end())),
        Kind::LeanGaps(_) | Kind::Isabelle(_) => (Language::Lean, problem.informal.clone()),
    }
}

fn commented(words: &str) -> String {
    words.lines().map(|line| format!("# {line}\n")).collect()
}

/// The text that a model is taught for an answer.
#[must_use]
pub fn taught(ask: Ask, answer: &Answer) -> String {
    match (ask, &answer.explanation) {
        (Ask::Explain, Some(explanation)) if answer.code.starts_with('\n') => {
            format!("{explanation}{}", answer.code)
        }
        (Ask::Explain, Some(explanation)) => format!("{explanation}\n{}", answer.code),
        (Ask::Explain, None) | (Ask::Write | Ask::Refine, _) => answer.code.clone(),
    }
}

/// The answer in what a model wrote; `None` if there is none.
#[must_use]
pub fn read(language: Language, ask: Ask, text: &str) -> Option<Answer> {
    let (explanation, rest) = match ask {
        Ask::Write | Ask::Refine => (None, text),
        Ask::Explain => {
            let end = text.find('\n')?;
            let explanation = text[..end].trim();
            // Lean's answers begin with the line break.
            let rest = if language == Language::Lean { &text[end..] } else { &text[end + 1..] };
            (Some(explanation).filter(|text| !text.is_empty()).map(str::to_owned), rest)
        }
    };
    let code = match language {
        Language::Python => body(rest),
        Language::Lean => proof(rest).to_owned(),
    };
    let is_empty = code.trim().is_empty() || (ask == Ask::Explain && explanation.is_none());
    (!is_empty).then_some(Answer { explanation, code })
}

/// The proof at the beginning of a text: what follows it is not indented.
#[must_use]
pub fn proof(text: &str) -> &str {
    PromptStyle::Plain.read_proof(text)
}

/// A Python body in the form in which it is taught: indented, with one line break at its end.
#[must_use]
pub fn body(text: &str) -> String {
    let is_inside = |line: &&str| line.trim().is_empty() || line.starts_with([' ', '\t']);
    let inside: Vec<&str> = text.lines().take_while(is_inside).collect();
    let end = inside.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    inside[..end].iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample_problems::{problem, python};
    use super::*;
    use proofloop_datasets::LeanProblem;

    #[test]
    fn a_trajectory_reads_as_one_program() {
        let first = Failed {
            answer: read(Language::Python, Ask::Write, "    return max(xs)\n\nprint(1)").expect("an answer"),
            feedback: "f([]) == 0 but got ValueError".to_owned(),
        };
        let said = "An empty list has no largest.\n    return max(xs, default=1)\n";
        let second = Failed {
            answer: read(Language::Python, Ask::Explain, said).expect("an answer"),
            feedback: "f([]) == 0 but got 1".to_owned(),
        };
        assert_eq!(taught(Ask::Explain, &second.answer), said);
        insta::assert_snapshot!(prompt(&python(), &[first.clone(), second], Ask::Explain), @r#"
        def f(xs):
            """Return the largest."""
            return max(xs)
        # f([]) == 0 but got ValueError
        # why: An empty list has no largest.
            return max(xs, default=1)
        # f([]) == 0 but got 1
        # why: 
        "#);
        let refine = prompt(&python(), &[first], Ask::Refine);
        assert!(refine.ends_with("ValueError\n# fix:\n"), "{refine}");
    }

    #[test]
    fn proofs_too() {
        let statement = "theorem t (a : Nat) : a = a := by".to_owned();
        let lean = problem(Kind::Lean(LeanProblem { header: String::new(), statement }));
        let answer = read(Language::Lean, Ask::Refine, "\n  simp\nend").expect("an answer");
        assert_eq!(answer.code, "\n  simp");
        let failed = Failed { answer, feedback: "no progress\na : Nat".to_owned() };
        insta::assert_snapshot!(prompt(&lean, &[failed], Ask::Refine), @r"
        prove theorem (a : Nat) : a = a := by
          simp
        -- no progress
        -- a : Nat
        -- fix:
        ");
    }

    #[test]
    fn what_holds_no_answer_is_none() {
        for (ask, text) in [
            (Ask::Write, "return 1"),
            (Ask::Write, " \n\n"),
            (Ask::Explain, "all is wrong"),
            (Ask::Explain, "\n    return 1"),
            (Ask::Explain, "all is wrong\nreturn 1"),
        ] {
            assert_eq!(read(Language::Python, ask, text), None, "{text:?}");
        }
    }
}
