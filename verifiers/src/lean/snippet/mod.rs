//! Snippets: what Lean says about any text, for people and for clients that ask for messages instead of a verdict.
//!
//! **What comes out here is no verdict and must never become one.** The text may be anything, also code that prints what
//! looks like Lean's answer. It gets a process that no other text trusts: under a REPL each snippet has the environment
//! of its imports for itself, and a process that may have run code of the snippet's own is thrown away; without a REPL
//! each snippet has a process of its own.

mod process;
mod repl;

use super::header;
use super::policy;
use super::repl::protocol::{CommandResponse, InfotreeKind, Pos, ReplMessage, ReplSeverity};
use super::toolchain::Toolchain;
use crate::verdict::Usage;
use crate::verifier::Limits;
use process::Processes;
use proofloop_sandboxes::process::Launcher;
use repl::Repls;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// A text and what is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// A whole file.
    pub code: String,
    /// Wall clock for what follows the imports.
    pub timeout: Duration,
    /// Whether a process that has elaborated these imports before will do.
    pub reuse: bool,
    /// How much of the information tree is wanted. Only a REPL can give it.
    pub infotree: Option<InfotreeKind>,
}

/// What Lean said.
#[derive(Debug, Clone, PartialEq)]
pub struct Elaborated {
    /// Its answer; lines count from the beginning of the snippet.
    pub answer: Answer,
    /// From the end of the imports to the answer.
    pub elapsed: Duration,
    /// What it cost.
    pub usage: Usage,
    /// The protection that was in force, by name.
    pub protection: Vec<String>,
    /// The process that answered: equal for two snippets only if it was the same one.
    pub process: u64,
}

/// An answer of Lean.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Messages, perhaps none.
    Elaborated(CommandResponse),
    /// The REPL could not do what was asked, in its words.
    Refused(String),
}

/// There is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnippetError {
    /// The time was over.
    #[error("no answer within {limit:?}{}", if *.in_header { " for the imports" } else { "" })]
    Timeout {
        /// Which time.
        limit: Duration,
        /// Whether the imports took it.
        in_header: bool,
    },
    /// The memory limit ended the process.
    #[error("the memory limit ended the process")]
    MemoryLimit,
    /// More output than may be.
    #[error("the snippet made Lean print more than it may")]
    OutputLimit,
    /// The process died, or printed what looks like a second answer.
    #[error("Lean came to no answer: {how}")]
    Crashed {
        /// In words.
        how: String,
    },
    /// The infrastructure failed.
    #[error("Lean can't be asked: {cause}")]
    Unavailable {
        /// In words.
        cause: String,
    },
}

/// Elaborates snippets. How many at once is the caller's to bound: each takes a process.
pub struct LeanSnippets {
    mode: Mode,
}

enum Mode {
    Repl(Repls),
    Process(Processes),
}

impl LeanSnippets {
    /// Over the REPL at `repl` if there is one, else with a `lean --json` process for each snippet.
    #[must_use]
    pub fn new(launcher: Launcher, toolchain: Toolchain, repl: Option<PathBuf>, limits: Limits) -> Self {
        let mode = match repl {
            Some(repl) => Mode::Repl(Repls::new(launcher, toolchain, repl, limits)),
            None => Mode::Process(Processes::new(launcher, toolchain, limits)),
        };
        Self { mode }
    }

    /// Whether processes outlive a snippet.
    #[must_use]
    pub fn has_repl(&self) -> bool {
        matches!(self.mode, Mode::Repl(_))
    }

    /// Elaborates one snippet. Dropping the future kills its process.
    ///
    /// # Errors
    /// [`SnippetError`]: there is no answer; only [`SnippetError::Unavailable`] is nobody's fault but ours.
    pub async fn elaborate(&self, snippet: &Snippet) -> Result<Elaborated, SnippetError> {
        let parts = Parts::of(&snippet.code);
        match &self.mode {
            Mode::Repl(repls) => repls.elaborate(snippet, &parts).await,
            Mode::Process(processes) => processes.elaborate(snippet, &parts).await,
        }
    }
}

/// A snippet taken apart.
struct Parts<'a> {
    /// The imports, one a line.
    imports: String,
    body: &'a str,
    /// What has to be added to a line of the body to get the snippet's.
    lines_before: u32,
    /// Columns before the body on its first line, in code points.
    columns_before: u32,
    /// Whether it may run code of its own inside Lean.
    may_run_code: bool,
}

impl<'a> Parts<'a> {
    /// A text that can't be taken apart (an unclosed comment, say) is all body: Lean says what is wrong with it.
    fn of(code: &'a str) -> Self {
        let (imports, header, body) = match header::split(code) {
            Ok(split) => (split.imports.join("\n"), split.header, split.body),
            Err(_unclosed) => (String::new(), "", code),
        };
        let last_line = header.rsplit('\n').next().unwrap_or_default();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            imports,
            body,
            lines_before: count(header.matches('\n').count()),
            columns_before: count(last_line.chars().count()),
            may_run_code: policy::scan(code).map_or(true, |scan| scan.besides_sorry.is_some()),
        }
    }

    /// From a place in the body to one in the snippet.
    fn place(&self, pos: Pos) -> Pos {
        let column = if pos.line == 1 { self.columns_before } else { 0 };
        Pos {
            line: if pos.line == 0 { 0 } else { pos.line.saturating_add(self.lines_before) },
            column: pos.column.saturating_add(column),
        }
    }

    /// All places of an answer, in the snippet's own lines; also those that other servers leave as they are.
    fn place_all(&self, response: &mut CommandResponse) {
        for message in &mut response.messages {
            message.pos = self.place(message.pos);
            message.end_pos = message.end_pos.map(|pos| self.place(pos));
        }
        for sorry in &mut response.sorries {
            sorry.pos = sorry.pos.map(|pos| self.place(pos));
            sorry.end_pos = sorry.end_pos.map(|pos| self.place(pos));
        }
        for tactic in &mut response.tactics {
            tactic.pos = self.place(tactic.pos);
            tactic.end_pos = self.place(tactic.end_pos);
        }
        if let Some(infotree) = &mut response.infotree {
            self.place_in(infotree);
        }
    }

    /// Every object with a `line` and a `column` is a place.
    fn place_in(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let number = |fields: &serde_json::Map<String, Value>, name: &str| {
                    fields.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
                };
                if let (Some(line), Some(column)) = (number(fields, "line"), number(fields, "column")) {
                    let pos = self.place(Pos { line, column });
                    fields.insert("line".to_owned(), pos.line.into());
                    fields.insert("column".to_owned(), pos.column.into());
                }
                fields.values_mut().for_each(|value| self.place_in(value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.place_in(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// An answer that says what is wrong with the imports, at the snippet's beginning.
fn header_answer(messages: Vec<ReplMessage>) -> Answer {
    let start = Pos { line: 1, column: 0 };
    let at_the_start = |message: ReplMessage| ReplMessage { pos: start, end_pos: None, ..message };
    Answer::Elaborated(CommandResponse {
        env: 0,
        messages: messages.into_iter().map(at_the_start).collect(),
        sorries: Vec::new(),
        tactics: Vec::new(),
        infotree: None,
    })
}

/// Whether an answer holds an error.
fn has_error(messages: &[ReplMessage]) -> bool {
    messages.iter().any(|message| message.severity == ReplSeverity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_snippets() {
        let parts = Parts::of("import A -- first\nimport B #check Nat\n#check x");
        assert_eq!(parts.imports, "import A\nimport B");
        assert_eq!(parts.body, " #check Nat\n#check x");
        assert_eq!(parts.place(Pos { line: 1, column: 1 }), Pos { line: 2, column: 9 });
        assert_eq!(parts.place(Pos { line: 2, column: 0 }), Pos { line: 3, column: 0 });
        assert_eq!(parts.place(Pos { line: 0, column: 0 }).line, 0);
    }

    #[test]
    fn a_tree_is_moved_as_a_whole() {
        let parts = Parts::of("import A\n\n#check x");
        let mut tree = serde_json::json!([{"node": {"stx": {"range": {"start": {"line": 3, "column": 4}}}}, "children": []}]);
        parts.place_in(&mut tree);
        assert_eq!(tree[0]["node"]["stx"]["range"]["start"], serde_json::json!({"line": 3, "column": 4}));
        let parts = Parts::of("import A\nimport B\n#check x");
        parts.place_in(&mut tree);
        assert_eq!(tree[0]["node"]["stx"]["range"]["start"]["line"], 4);
    }

    #[test]
    fn what_may_run_code_is_known() {
        for (code, may) in [
            ("theorem t : 1 = 1 := rfl", false),
            ("theorem t : 1 = 2 := by sorry", false),
            ("#check Nat", false),
            ("#eval IO.println \"x\"", true),
            ("run_cmd return", true),
            ("theorem t : 1 = 2 := by sorry\n#eval IO.println \"x\"", true),
            ("/- open", true),
        ] {
            assert_eq!(Parts::of(code).may_run_code, may, "{code}");
        }
    }
}
