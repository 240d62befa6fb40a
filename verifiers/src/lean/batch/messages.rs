//! Lean's own messages, as `lean --json` prints them: one JSON object a line on standard output.

use crate::verdict::{Message, Severity};
use serde::Deserialize;

/// Longest text of one message that is kept, in characters.
const MESSAGE_CHARACTERS: usize = 2_000;

/// One message of `lean --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeanMessage {
    /// `error`, `warning` or `information`.
    pub severity: LeanSeverity,
    /// Where it begins.
    pub pos: Position,
    /// Where it ends, if Lean knows.
    #[serde(default)]
    pub end_pos: Option<Position>,
    /// The text.
    pub data: String,
    /// What it is about, for instance `hasSorry`; older versions leave it out.
    #[serde(default)]
    pub kind: String,
    /// The file as it was named on the command line.
    #[serde(default)]
    pub file_name: String,
}

/// Lean's severities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeanSeverity {
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// Information.
    #[serde(alias = "info", alias = "trace")]
    Information,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Position {
    /// 1-based.
    pub line: u32,
    /// 0-based, in code points.
    pub column: u32,
}

impl LeanMessage {
    /// Reads one line; `None` for the debug lines that some builds print between the messages.
    #[must_use]
    pub fn from_line(line: &[u8]) -> Option<Self> {
        if !line.starts_with(b"{") {
            return None;
        }
        serde_json::from_slice(line).ok()
    }

    /// Whether Lean says that a declaration rests on `sorry`.
    #[must_use]
    pub fn has_sorry(&self) -> bool {
        self.kind == "hasSorry"
            || self.data.starts_with("declaration uses `sorry`")
            || self.data.starts_with("declaration uses 'sorry'")
    }

    /// The message for people, at `own_line` of the candidate's own text.
    #[must_use]
    pub fn for_people(&self, own_line: Option<u32>) -> Message {
        let severity = match self.severity {
            LeanSeverity::Error => Severity::Error,
            LeanSeverity::Warning => Severity::Warning,
            LeanSeverity::Information => Severity::Info,
        };
        let text = self.data.chars().take(MESSAGE_CHARACTERS).collect();
        Message { severity, line: own_line, column: own_line.map(|_| self.pos.column), text }
    }
}

/// Cuts a stream of bytes into lines of bounded length.
#[derive(Debug)]
pub struct Lines {
    pending: Vec<u8>,
    longest: usize,
    overflowed: bool,
}

impl Lines {
    /// Lines longer than `longest` bytes are dropped whole and remembered as an overflow.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { pending: Vec::new(), longest, overflowed: false }
    }

    /// Takes the next piece and returns the lines that it completes, without their ends.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.pending.len() + piece.len() > self.longest {
                self.overflowed = true;
                self.pending.clear();
                self.pending.push(b'!'); // not a message any more, whatever follows
                if piece.ends_with(b"\n") {
                    self.pending.clear();
                }
                continue;
            }
            self.pending.extend_from_slice(piece);
            if self.pending.last() == Some(&b'\n') {
                self.pending.pop();
                lines.push(std::mem::take(&mut self.pending));
            }
        }
        lines
    }

    /// Whether a line was too long to keep.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_and_what_is_none() {
        let line = br#"{"caption":"","data":"declaration uses `sorry`","endPos":{"column":11,"line":3},"fileName":"t.lean","isSilent":false,"keepFullRange":false,"kind":"hasSorry","pos":{"column":8,"line":3},"severity":"warning"}"#;
        let message = LeanMessage::from_line(line).expect("parses");
        assert!(message.has_sorry());
        assert_eq!((message.pos.line, message.pos.column), (3, 8));
        for noise in ["[DEBUG:A] lean_main", "{", "{}", "", " {\"data\":1}"] {
            assert_eq!(LeanMessage::from_line(noise.as_bytes()), None, "{noise}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_whole() {
        let mut lines = Lines::new(8);
        assert_eq!(lines.push(b"short\n0123456"), [b"short".to_vec()]);
        assert!(lines.push(b"789").is_empty());
        assert_eq!(lines.push(b"x\nnext\n"), [b"!x".to_vec(), b"next".to_vec()]);
        assert!(lines.overflowed());
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(text in "[a-c\n]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..5)) {
            let bytes = text.as_bytes();
            let mut whole = Lines::new(100);
            let expected = whole.push(bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut pieces = Lines::new(100);
            let found: Vec<_> = cuts.windows(2).flat_map(|pair| pieces.push(&bytes[pair[0]..pair[1]])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
