//! Lines of text from an untrusted file, one at a time, each within a bound.
//!
//! A line that is too long or not UTF-8 is reported and passed over; the lines after it are still delivered. Memory
//! stays within the bound plus one buffer of the reader, whatever the file holds.

use std::io::{self, BufRead};
use thiserror::Error;

/// The bound used by every reader of this project, in bytes: longer than any record that we know of.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// 1-based.
    pub number: u64,
    /// Without its end (`\n` or `\r\n`) and, on line 1, without a byte order mark.
    pub text: String,
}

/// A line that could not be delivered.
#[derive(Debug, Error)]
#[error("line {number}")]
pub struct LineError {
    /// 1-based.
    pub number: u64,
    /// What is wrong with it.
    #[source]
    pub problem: LineProblem,
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum LineProblem {
    /// Longer than the bound.
    #[error("the line is longer than {limit_bytes} bytes")]
    TooLong {
        /// The bound.
        limit_bytes: usize,
    },
    /// Not UTF-8.
    #[error("byte {byte} of the line is not UTF-8")]
    NotUtf8 {
        /// 1-based position in the line of the first byte that is wrong.
        byte: usize,
    },
    /// The file could not be read on: nothing follows.
    #[error("the file cannot be read any further")]
    Io(#[source] io::Error),
}

/// Iterator over the lines of a reader. The empty piece after a final line end is no line.
#[derive(Debug)]
pub struct BoundedLines<R> {
    input: R,
    limit_bytes: usize,
    number: u64,
    finished: bool,
}

impl<R: BufRead> BoundedLines<R> {
    /// Lines of at most [`MAX_LINE_BYTES`].
    pub fn new(input: R) -> Self {
        Self::with_limit(input, MAX_LINE_BYTES)
    }

    /// Lines of at most `limit_bytes`, their end not counted.
    pub fn with_limit(input: R, limit_bytes: usize) -> Self {
        Self { input, limit_bytes, number: 0, finished: false }
    }

    /// Collects bytes up to the next line end; `None` at the end of the input. Bytes beyond the bound are counted
    /// and dropped.
    fn next_raw(&mut self) -> io::Result<Option<Raw>> {
        let mut raw = Raw { bytes: Vec::new(), total_bytes: 0 };
        // One byte more than the bound is kept: it may be the `\r` of a line end.
        let keep_bytes = self.limit_bytes.saturating_add(1);
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok((raw.total_bytes > 0).then_some(raw));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let room = keep_bytes.saturating_sub(raw.bytes.len()).min(piece.len());
            raw.bytes.extend_from_slice(&piece[..room]);
            raw.total_bytes += piece.len();
            let used = piece.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(raw));
            }
        }
    }

    fn decode(&self, mut raw: Raw) -> Result<String, LineProblem> {
        if raw.total_bytes == raw.bytes.len() && raw.bytes.last() == Some(&b'\r') {
            raw.bytes.pop();
            raw.total_bytes -= 1;
        }
        if raw.total_bytes > self.limit_bytes {
            return Err(LineProblem::TooLong { limit_bytes: self.limit_bytes });
        }
        let text = String::from_utf8(raw.bytes)
            .map_err(|error| LineProblem::NotUtf8 { byte: error.utf8_error().valid_up_to() + 1 })?;
        match text.strip_prefix('\u{feff}') {
            Some(rest) if self.number == 1 => Ok(rest.to_owned()),
            Some(_) | None => Ok(text),
        }
    }
}

/// A line as read: at most one byte more than the bound is kept.
struct Raw {
    bytes: Vec<u8>,
    total_bytes: usize,
}

impl<R: BufRead> Iterator for BoundedLines<R> {
    type Item = Result<Line, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        self.number += 1;
        let number = self.number;
        let decoded = match self.next_raw() {
            Ok(Some(raw)) => self.decode(raw),
            Ok(None) => {
                self.finished = true;
                return None;
            }
            Err(error) => {
                self.finished = true;
                Err(LineProblem::Io(error))
            }
        };
        Some(match decoded {
            Ok(text) => Ok(Line { number, text }),
            Err(problem) => Err(LineError { number, problem }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    fn read(bytes: &[u8], limit_bytes: usize, buffer_bytes: usize) -> Vec<Result<String, String>> {
        BoundedLines::with_limit(BufReader::with_capacity(buffer_bytes, bytes), limit_bytes)
            .map(|line| line.map(|line| line.text).map_err(|error| error.problem.to_string()))
            .collect()
    }

    #[test]
    fn lines_are_the_same_whatever_the_buffer() {
        let text = "one\r\ntwo\n\nvier ∀\nlast".as_bytes();
        let whole = read(text, 100, 1000);
        assert_eq!(whole, ["one", "two", "", "vier ∀", "last"].map(|line| Ok(line.to_owned())));
        for buffer_bytes in 1..8 {
            assert_eq!(read(text, 100, buffer_bytes), whole);
        }
    }

    #[test]
    fn nothing_follows_a_final_line_end() {
        assert!(read(b"", 10, 4).is_empty());
        assert_eq!(read(b"a\n", 10, 4), [Ok("a".to_owned())]);
    }

    #[test]
    fn a_line_of_exactly_the_bound_passes_and_one_more_does_not() {
        assert_eq!(read(b"1234\r\n12345\nx", 4, 3).len(), 3);
        let lines = read(b"1234\r\n12345\nx\n", 4, 3);
        assert_eq!(lines[0], Ok("1234".to_owned()));
        assert_eq!(lines[1], Err("the line is longer than 4 bytes".to_owned()));
        assert_eq!(lines[2], Ok("x".to_owned()));
    }

    #[test]
    fn bytes_that_are_not_utf8_cost_their_own_line_only() {
        let lines = read(b"ok\nab\xff\nok", 10, 100);
        assert_eq!(lines[1], Err("byte 3 of the line is not UTF-8".to_owned()));
        assert_eq!(lines[2], Ok("ok".to_owned()));
    }

    #[test]
    fn a_byte_order_mark_is_dropped_on_line_one_only() {
        let lines = read("\u{feff}a\n\u{feff}b".as_bytes(), 10, 100);
        assert_eq!(lines, [Ok("a".to_owned()), Ok("\u{feff}b".to_owned())]);
    }

    #[test]
    fn a_huge_line_is_passed_over_in_bounded_memory() {
        let input = io::repeat(b'x').take(200 << 20).chain(&b"\ngood\n"[..]);
        let mut lines = BoundedLines::with_limit(BufReader::new(input), 1000);
        assert!(matches!(
            lines.next(),
            Some(Err(LineError { number: 1, problem: LineProblem::TooLong { .. } }))
        ));
        assert_eq!(lines.next().and_then(Result::ok), Some(Line { number: 2, text: "good".to_owned() }));
    }

    #[test]
    fn a_read_error_ends_the_iteration() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let mut lines = BoundedLines::new(BufReader::new((&b"a\n"[..]).chain(Broken)));
        assert!(lines.next().is_some_and(|line| line.is_ok()));
        assert!(matches!(lines.next(), Some(Err(LineError { number: 2, problem: LineProblem::Io(_) }))));
        assert!(lines.next().is_none());
    }
}
