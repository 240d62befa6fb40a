//! Bytes to messages and back: both framings of Isabelle's server, in both directions, with bounded sizes.
//!
//! A message is a line, or a line of decimal digits `N` and then `N` bytes whose last line terminator is no part of it.

use thiserror::Error;

/// The server writes longer messages with their length in front; so do we.
const SHORT_BYTES: usize = 100;

/// A line of more digits than this is no length.
const LENGTH_DIGITS: usize = 18;

/// Bytes that are no message. Nothing that follows can be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// Longer than allowed, or announced to be.
    #[error("a message is longer than {limit_bytes} bytes")]
    TooLong {
        /// The bound.
        limit_bytes: usize,
    },
    /// Not UTF-8.
    #[error("a message is not UTF-8")]
    NotUtf8,
}

/// Collects bytes, cut anywhere, and gives out messages.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the first message that was not given out begins.
    start: usize,
    /// Up to here there is no line feed behind `start`.
    scanned: usize,
    /// The length that the next message was announced with.
    announced: Option<usize>,
    limit_bytes: usize,
}

impl Decoder {
    /// For messages of at most `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, announced: None, limit_bytes }
    }

    /// Takes bytes as they arrive. Take the messages out with [`next_message`](Self::next_message) before the next call:
    /// what was pushed and not taken is held.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// As [`CodecError`] says; the same error comes back at every further call.
    pub fn next_message(&mut self) -> Result<Option<String>, CodecError> {
        let too_long = CodecError::TooLong { limit_bytes: self.limit_bytes };
        if self.announced.is_none() {
            let Some(line) = self.line() else {
                return if self.held_bytes() > self.limit_bytes { Err(too_long) } else { Ok(None) };
            };
            match length(&self.buffer[self.start..line.content]) {
                None if line.content - self.start > self.limit_bytes => return Err(too_long),
                None => {
                    let message = text(&self.buffer[self.start..line.content])?;
                    self.take(line.after);
                    return Ok(Some(message));
                }
                Some(length) if length > self.limit_bytes => return Err(too_long),
                Some(length) => {
                    self.take(line.after);
                    self.announced = Some(length);
                }
            }
        }
        let Some(length) = self.announced.filter(|length| *length <= self.held_bytes()) else {
            return Ok(None);
        };
        let bytes = &self.buffer[self.start..self.start + length];
        let message = text(without_terminator(bytes))?;
        self.take(self.start + length);
        self.announced = None;
        Ok(Some(message))
    }

    fn take(&mut self, to: usize) {
        self.start = to;
        self.scanned = to;
    }

    fn line(&mut self) -> Option<Line> {
        match self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') {
            Some(found) => {
                let end = self.scanned + found;
                let content = self.start + without_terminator(&self.buffer[self.start..=end]).len();
                Some(Line { content, after: end + 1 })
            }
            None => {
                self.scanned = self.buffer.len();
                None
            }
        }
    }
}

/// Where a line's content ends, and where the next one begins.
struct Line {
    content: usize,
    after: usize,
}

/// The length that a line announces, if it is one of digits only. One that no machine could hold is the largest there is.
fn length(line: &[u8]) -> Option<usize> {
    if line.is_empty() || !line.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(line).ok().filter(|digits| digits.len() <= LENGTH_DIGITS);
    Some(number.and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX))
}

fn without_terminator(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if line.len() < bytes.len() { line.strip_suffix(b"\r").unwrap_or(line) } else { bytes }
}

fn text(bytes: &[u8]) -> Result<String, CodecError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_not_utf8| CodecError::NotUtf8)
}

/// A message as the server itself would write it. What ends in a carriage return can't be told from a line terminator and
/// comes back without it.
#[must_use]
pub fn encode(message: &str) -> Vec<u8> {
    let is_short = message.len() <= SHORT_BYTES
        && !message.contains(['\n', '\r'])
        && length(message.as_bytes()).is_none();
    let mut bytes = Vec::with_capacity(message.len() + 24);
    if !is_short {
        bytes.extend_from_slice(format!("{}\n", message.len() + 1).as_bytes());
    }
    bytes.extend_from_slice(message.as_bytes());
    bytes.push(b'\n');
    bytes
}

/// YXML: `U+0005 U+0006 name (U+0006 attribute)* U+0005` opens an element, `U+0005 U+0006 U+0005` closes it.
const MARKUP: char = '\u{5}';
const TAG: char = '\u{6}';

/// Elements whose content is for editors.
const HIDDEN: [&str; 3] = ["report", "no_report", "completion"];

/// A message's text without the markup that the server leaves in some.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut open = Vec::new();
    let mut plain = String::with_capacity(text.len());
    for chunk in text.split(MARKUP) {
        match chunk.strip_prefix(TAG) {
            Some("") => drop(open.pop()),
            Some(tag) => open.push(HIDDEN.contains(&tag.split(TAG).next().unwrap_or(tag))),
            None if open.contains(&true) => {}
            None => plain.push_str(chunk),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<String>, CodecError> {
        let mut decoder = Decoder::new(1 << 20);
        let mut messages = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(message) = decoder.next_message()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn both_framings_are_read() {
        let bytes = b"OK\r\n5\nOK 1\n\nOK {\"a\":1}\n10\r\nNOTE a\nb\r\n";
        assert_eq!(decode(&[bytes]).expect("reads"), ["OK", "OK 1", "", "OK {\"a\":1}", "NOTE a\nb"]);
        assert_eq!(decode(&[b"3\n\xe2\x8c\x82"]).expect("reads"), ["⌂"]);
        assert_eq!(decode(&[b"0\nOK\n"]).expect("reads"), ["", "OK"]);
    }

    #[test]
    fn the_long_form_is_that_of_the_recorded_server() {
        let help = "OK [\"cancel\",\"echo\",\"help\",\"purge_theories\",\"session_build\",\"session_start\",\"session_stop\",\"shutdown\",\"use_theories\"]";
        assert!(encode(help).starts_with(b"118\nOK ["));
        assert_eq!(encode("help"), b"help\n");
        assert_eq!(encode("12"), b"3\n12\n");
        assert_eq!(encode(&"x".repeat(100)).len(), 101);
    }

    #[test]
    fn what_is_too_long_ends_it_before_it_has_come() {
        let mut decoder = Decoder::new(10);
        decoder.push(b"11\n");
        assert_eq!(decoder.next_message(), Err(CodecError::TooLong { limit_bytes: 10 }));
        assert_eq!(decoder.next_message(), Err(CodecError::TooLong { limit_bytes: 10 }));
        let mut decoder = Decoder::new(10);
        decoder.push(b"99999999999999999999999999\n");
        assert!(decoder.next_message().is_err());
        let mut decoder = Decoder::new(10);
        decoder.push(b"OK [........");
        assert!(decoder.next_message().is_err());
        let mut decoder = Decoder::new(10);
        decoder.push(b"OK \xff\n");
        assert_eq!(decoder.next_message(), Err(CodecError::NotUtf8));
    }

    #[test]
    fn markup_is_dropped_with_what_is_only_for_editors() {
        let text = "Bad \"X\"\u{5}\u{6}position\u{6}line=1\u{5} (line 1)\u{5}\u{6}\u{5}\u{5}\u{6}report\u{6}line=1\u{5}\u{5}\u{6}:\u{5}1\u{5}\u{6}\u{5}\u{5}\u{6}\u{5}\nend";
        assert_eq!(plain(text), "Bad \"X\" (line 1)\nend");
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back_however_it_is_cut(
            messages in prop::collection::vec("[^\r]{0,150}|[0-9]{1,20}|(OK|NOTE) \\{\"a\":\"[a-z∀⟹]{0,200}\"\\}", 0..6),
            cuts in prop::collection::vec(0_usize..2000, 0..8),
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| encode(message)).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut at = 0;
            let pieces: Vec<&[u8]> = cuts.iter().map(|cut| &bytes[std::mem::replace(&mut at, *cut)..*cut]).collect();
            prop_assert_eq!(decode(&pieces).expect("reads"), messages);
        }

        #[test]
        fn any_bytes_are_read_the_same_in_any_pieces_and_within_bounds(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), b'0'..=b'9', Just(b'\r')], 0..300),
            size in 1_usize..40,
        ) {
            let whole = decode(&[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(&decode(&pieces), &whole);
            let mut decoder = Decoder::new(20);
            for piece in pieces {
                decoder.push(piece);
                let mut has_failed = false;
                loop {
                    match decoder.next_message() {
                        Ok(Some(message)) => prop_assert!(message.len() <= 20),
                        Ok(None) => break,
                        Err(_) => {
                            has_failed = true;
                            break;
                        }
                    }
                }
                if has_failed {
                    break;
                }
                prop_assert!(decoder.held_bytes() <= 20 + 1);
            }
        }

        #[test]
        fn any_text_becomes_plain_without_markup(text in "[\u{5}\u{6}a-c=]{0,60}") {
            prop_assert!(!plain(&text).contains(MARKUP));
        }
    }
}
