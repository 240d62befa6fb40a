//! Errors that are added where a snippet uses what a proof must not: clients of Kimina look at messages alone, and to Lean
//! an axiom is as good as a theorem.

use proofloop_verifiers::lean::repl::protocol::{CommandResponse, Pos, ReplMessage, ReplSeverity};
use proofloop_verifiers::lean::{header, policy};
use proofloop_verifiers::verdict::Reason;

/// Adds an error for the first thing in `code` that a proof must not use, and one for a `sorry` that Lean tells of but
/// that is not among the `sorries`.
pub(super) fn add_errors(code: &str, response: &mut CommandResponse) {
    let has_error = response.messages.iter().any(|message| message.severity == ReplSeverity::Error);
    let hidden = hidden_sorry(response);
    response.messages.extend(hidden);
    // Imports run nothing of the snippet's own.
    let body_start = header::split(code).map_or(0, |split| split.header.len());
    let (offset, length, text) = match policy::scan(&code[body_start..]) {
        Ok(scan) => {
            let Some(found) = scan.besides_sorry else { return };
            let text =
                format!("proofloop: `{}` is not allowed in a proof ({})", found.name, word(found.reason));
            (found.offset, found.name.len(), text)
        }
        // Lean has an error for it, unless it reads the text otherwise than we do.
        Err(open) if !has_error => (open.offset, 1, format!("proofloop: unclosed {}", open.what)),
        Err(_) => return,
    };
    let start = body_start + offset;
    response.messages.push(error(place(code, start), Some(place(code, start + length)), text));
}

/// The error for a `sorry` that no client would find.
fn hidden_sorry(response: &CommandResponse) -> Option<ReplMessage> {
    if !response.sorries.is_empty() {
        return None;
    }
    let tells = |message: &&ReplMessage| {
        message.data.starts_with("declaration uses ") && message.data.contains("sorry")
    };
    let message = response.messages.iter().find(tells)?;
    let text = "proofloop: the proof rests on a `sorry` that is not written in it".to_owned();
    Some(error(message.pos, message.end_pos, text))
}

fn error(pos: Pos, end_pos: Option<Pos>, data: String) -> ReplMessage {
    ReplMessage { severity: ReplSeverity::Error, pos, end_pos, data }
}

/// The place of a byte.
fn place(code: &str, offset: usize) -> Pos {
    let before = code.get(..offset).unwrap_or(code);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Pos {
        line: count(before.matches('\n').count() + 1),
        column: count(before.rsplit('\n').next().unwrap_or_default().chars().count()),
    }
}

/// A reason in the words of `proofloop verify`.
fn word(reason: Reason) -> String {
    serde_json::to_value(reason).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofloop_verifiers::lean::repl::protocol::Sorry;

    fn response(messages: Vec<ReplMessage>) -> CommandResponse {
        CommandResponse { env: 0, messages, sorries: Vec::new(), tactics: Vec::new(), infotree: None }
    }

    fn added(code: &str) -> Vec<(u32, u32, String)> {
        let mut response = response(Vec::new());
        add_errors(code, &mut response);
        response
            .messages
            .into_iter()
            .map(|message| (message.pos.line, message.pos.column, message.data))
            .collect()
    }

    #[test]
    fn what_a_proof_must_not_use_is_an_error_at_its_place() {
        let told =
            |name: &str, reason: &str| format!("proofloop: `{name}` is not allowed in a proof ({reason})");
        for (code, line, column, name, reason) in [
            ("axiom cheat : False", 1, 0, "axiom", "axiom"),
            (
                "import A\n\ntheorem é : 1 = 2 := by\n  native_decide",
                4,
                2,
                "native_decide",
                "native-evaluation",
            ),
            ("import A #eval 1", 1, 9, "#eval", "meta-code"),
            ("theorem t : T := by sorry\nset_option debug.x true", 2, 0, "set_option", "forbidden-option"),
        ] {
            assert_eq!(added(code), [(line, column, told(name, reason))], "{code}");
        }
    }

    #[test]
    fn honest_snippets_and_plain_sorries_get_none() {
        for code in
            ["#check Nat", "import Lean\ntheorem t : 1 = 1 := rfl", "theorem t : 1 = 2 := by sorry", ""]
        {
            assert_eq!(added(code), [], "{code}");
        }
    }

    #[test]
    fn an_open_end_is_an_error_only_where_lean_has_none() {
        assert_eq!(added("theorem t : 1 = 1 := rfl\n/- x")[0].2, "proofloop: unclosed comment");
        let mut answer = response(vec![error(Pos { line: 1, column: 0 }, None, "unterminated".to_owned())]);
        add_errors("/- x", &mut answer);
        assert_eq!(answer.messages.len(), 1);
    }

    #[test]
    fn a_sorry_that_is_not_among_the_sorries_is_an_error() {
        let pos = Pos { line: 3, column: 8 };
        let warning = ReplMessage {
            severity: ReplSeverity::Warning,
            pos,
            end_pos: None,
            data: "declaration uses 'sorry'".to_owned(),
        };
        let mut hidden = response(vec![warning]);
        let mut written = hidden.clone();
        add_errors("theorem t : 1 = 2 := by my_macro", &mut hidden);
        assert_eq!((hidden.messages[1].severity, hidden.messages[1].pos), (ReplSeverity::Error, pos));
        written.sorries.push(Sorry { proof_state: None, pos: None, goal: String::new(), end_pos: None });
        add_errors("theorem t : 1 = 2 := by sorry", &mut written);
        assert_eq!(written.messages.len(), 1);
    }
}
