//! What whoever wrote an answer is told of its failure: text for people and models, from which nothing is concluded.

use proofloop_datasets::store::VerdictRecord;
use proofloop_datasets::{Kind, Problem};

/// A feedback of more characters is cut.
const MOST_CHARACTERS: usize = 240;

/// What a verdict says to whoever wrote the candidate; `None` for an accepted one, and where nothing was found out about it.
/// It is one line for Python and a few for Lean, whose first error has the goal that was left.
///
/// Of a problem with hidden tests this must be a verdict on the shown ones alone.
#[must_use]
pub fn feedback(problem: &Problem, record: &VerdictRecord) -> Option<String> {
    let text = match record.verdict.as_str() {
        "accepted" | "cancelled" | "unavailable" => return None,
        "timeout" => "it does not come to an end".to_owned(),
        "memory-limit" => "it takes too much memory".to_owned(),
        "output-limit" => "it prints too much".to_owned(),
        _ => match (&record.message, &problem.kind) {
            (Some(message), Kind::Python(_)) => python(message),
            (Some(message), Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_)) => {
                without_numbers(message)
            }
            (None, _) => record.reason.clone().unwrap_or_else(|| record.verdict.clone()),
        },
    };
    let text = text.trim();
    let cut: String = text.chars().take(MOST_CHARACTERS).collect();
    Some(if cut.len() < text.len() { format!("{cut}...") } else { cut })
}

/// The failed test, and what came instead: `f([]) == 0 but got None`.
fn python(message: &str) -> String {
    let part = |start: &str| message.lines().find_map(|line| line.strip_prefix(start));
    let first = message.lines().next().unwrap_or_default();
    let test = part("in the test: ").map(|test| test.strip_prefix("assert ").unwrap_or(test));
    let returned =
        part("last call: ").and_then(|call| call.rsplit_once(" returned ")).map(|(_, value)| value);
    match (test, returned) {
        (Some(test), Some(value)) if first.starts_with("a test failed") => format!("{test} but got {value}"),
        (Some(test), _) => format!("{test} but got {first}"),
        (None, _) => first.to_owned(),
    }
}

/// Lean numbers metavariables by what else stands in the file: `?m.123` becomes `?m`, so that a candidate's feedback does
/// not depend on its company.
fn without_numbers(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut pieces = message.split("?m.");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        text.push_str("?m");
        text.push_str(piece.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::prompt::sample_problems;

    fn record(verdict: &str, message: &str) -> VerdictRecord {
        VerdictRecord {
            verdict: verdict.to_owned(),
            reason: Some("wrong-answer".to_owned()),
            assurance: None,
            message: (!message.is_empty()).then(|| message.to_owned()),
            wall_ms: 0,
            cpu_ms: 0,
            peak_memory_bytes: 0,
        }
    }

    #[test]
    fn python_hears_the_test_and_what_came_instead() {
        let problem = sample_problems::human_eval();
        let told = |verdict: &str, message: &str| feedback(&problem, &record(verdict, message));
        let wrong = "a test failed\nin the test: assert f([]) == -1\nlast call: f([]) returned None";
        assert_eq!(told("rejected", wrong).as_deref(), Some("f([]) == -1 but got None"));
        let raised = "IndexError: list index out of range\n  line 2, in f\nin the test: assert f([]) == -1";
        let expected = "f([]) == -1 but got IndexError: list index out of range";
        assert_eq!(told("rejected", raised).as_deref(), Some(expected));
        assert_eq!(told("rejected", "SyntaxError: x\n  y").as_deref(), Some("SyntaxError: x"));
        assert_eq!(told("rejected", "").as_deref(), Some("wrong-answer"));
        assert_eq!(told("timeout", "").as_deref(), Some("it does not come to an end"));
        assert_eq!(told("accepted", ""), None);
        assert_eq!(told("unavailable", "no sandbox"), None);
    }

    #[test]
    fn lean_hears_the_error_without_numbers_of_the_file() {
        let problem = sample_problems::lean();
        let message = "unsolved goals\nx : Nat\n⊢ ?m.12 + ?m.345 = x";
        let told = feedback(&problem, &record("rejected", message));
        assert_eq!(told.as_deref(), Some("unsolved goals\nx : Nat\n⊢ ?m + ?m = x"));
        let long = "x".repeat(500);
        let told = feedback(&problem, &record("rejected", &long)).expect("a text");
        assert_eq!(told.len(), MOST_CHARACTERS + 3);
    }
}
