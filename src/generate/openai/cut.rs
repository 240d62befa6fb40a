//! Stop strings that a server has left in.

use std::sync::Arc;

/// The text of a sample as it grows, and how much of it no stop string can take back.
pub(super) struct Cutter {
    stops: Arc<[String]>,
    text: String,
    safe_bytes: usize,
    found: Option<Found>,
}

/// A stop string was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The server went on after it.
    pub(super) went_on: bool,
}

impl Cutter {
    pub(super) fn new(stops: Arc<[String]>) -> Self {
        Self { stops, text: String::new(), safe_bytes: 0, found: None }
    }

    /// Adds what the server has sent.
    pub(super) fn push(&mut self, piece: &str) {
        if let Some(found) = &mut self.found {
            found.went_on |= !piece.is_empty();
            return;
        }
        self.text.push_str(piece);
        // What may be the beginning of a stop string was kept back, so none begins before.
        let tail = &self.text[self.safe_bytes..];
        // The one that ends first, as if the text had come byte by byte; of several, the longest.
        let first = |stop: &String| tail.find(stop.as_str()).map(|at| (at + stop.len(), at));
        if let Some((end, at)) = self.stops.iter().filter_map(first).min() {
            self.found = Some(Found { went_on: tail.len() > end });
            self.safe_bytes += at;
            self.text.truncate(self.safe_bytes);
        } else {
            let kept_bytes = self.stops.iter().map(|stop| begun(tail, stop)).max().unwrap_or(0);
            self.safe_bytes = self.text.len() - kept_bytes;
        }
    }

    /// Nothing more comes: all that there is, is safe.
    pub(super) fn end(&mut self) {
        self.safe_bytes = self.text.len();
    }

    /// What no stop string can take back any more.
    pub(super) fn safe(&self) -> &str {
        &self.text[..self.safe_bytes]
    }

    pub(super) fn found(&self) -> Option<Found> {
        self.found
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// The bytes at the end of `text` that may be the beginning of `stop`. They begin at a character: `stop` does.
fn begun(text: &str, stop: &str) -> usize {
    let is_begun = |bytes: &usize| text.as_bytes().ends_with(&stop.as_bytes()[..*bytes]);
    (1..stop.len()).rev().find(is_begun).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cutter(stops: &[&str]) -> Cutter {
        Cutter::new(stops.iter().map(|stop| (*stop).to_owned()).collect())
    }

    #[test]
    fn the_first_stop_string_cuts() {
        let cases = [
            ("by simp\n\nend", ["\n\n", "end"], "by simp", Some(true)),
            ("by simp\n\n", ["\n\n", "end"], "by simp", Some(false)),
            ("by simp", ["\n\n", "end"], "by simp", None),
            ("xaab", ["aab", "aa"], "x", Some(true)),
            ("xab", ["ab", "b"], "x", Some(false)),
            ("", ["a", "b"], "", None),
        ];
        for (text, stops, expected, went_on) in cases {
            let mut cutter = cutter(&stops);
            cutter.push(text);
            cutter.end();
            assert_eq!(cutter.found().map(|found| found.went_on), went_on, "{text:?}");
            assert_eq!(cutter.safe(), expected, "{text:?}");
            assert_eq!(cutter.into_text(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_may_be_a_beginning_is_kept_back() {
        let mut cutter = cutter(&["```\n", "→é"]);
        let safe: Vec<String> = ["a`", "``", "b``", "`", "\n", "late"]
            .iter()
            .map(|piece| {
                cutter.push(piece);
                cutter.safe().to_owned()
            })
            .collect();
        assert_eq!(safe, ["a", "a", "a```b", "a```b", "a```b", "a```b"]);
        assert_eq!(cutter.found(), Some(Found { went_on: true }));
    }

    proptest! {
        /// However the text is cut into pieces, the same stands before the first stop string, and what was safe stays.
        #[test]
        fn pieces_change_nothing(text in "[abé]{0,20}", stops in prop::collection::vec("[abé]{1,4}", 0..3)) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let ends = stops.iter().filter_map(|stop| text.find(stop).map(|at| (at + stop.len(), at)));
            let whole = ends.min().map_or(text.as_str(), |(_, at)| &text[..at]);
            let mut cutter = cutter(&stops);
            let mut safe = String::new();
            for character in text.chars() {
                cutter.push(character.encode_utf8(&mut [0; 4]));
                prop_assert!(cutter.safe().starts_with(&safe));
                safe = cutter.safe().to_owned();
            }
            cutter.end();
            prop_assert_eq!(cutter.safe(), whole);
        }
    }
}
