//! Capped capture of an output stream: the head and the tail are kept, the rest is counted.

use std::collections::VecDeque;

/// What was kept of one output stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes, where they are not part of the head.
    pub tail: Vec<u8>,
    /// How many bytes lie between head and tail and were not kept.
    pub dropped_bytes: u64,
}

impl Captured {
    /// The text with a note where something was left out; invalid UTF-8 is replaced.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.dropped_bytes == 0 {
            return String::from_utf8_lossy(&[self.head.as_slice(), &self.tail].concat()).into_owned();
        }
        let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&self.tail));
        format!("{head}\n[{} bytes left out]\n{tail}", self.dropped_bytes)
    }

    /// Everything that was written, if nothing was dropped.
    #[must_use]
    pub fn complete(&self) -> Option<Vec<u8>> {
        (self.dropped_bytes == 0).then(|| [self.head.as_slice(), &self.tail].concat())
    }
}

/// The bounded buffer behind [`Captured`].
#[derive(Debug, Default)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half_bytes: usize,
    dropped_bytes: u64,
}

impl Capture {
    pub(crate) fn new(kept_bytes: usize) -> Self {
        Self { half_bytes: kept_bytes / 2, ..Self::default() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.half_bytes.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let skip = rest.len().saturating_sub(self.half_bytes);
        let kept = &rest[skip..];
        let surplus = (self.tail.len() + kept.len()).saturating_sub(self.half_bytes);
        self.tail.drain(..surplus);
        self.tail.extend(kept);
        self.dropped_bytes += (skip + surplus) as u64;
    }

    pub(crate) fn snapshot(&self) -> Captured {
        Captured {
            head: self.head.clone(),
            tail: self.tail.iter().copied().collect(),
            dropped_bytes: self.dropped_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_head_and_tail_and_counts_the_rest() {
        let mut capture = Capture::new(8);
        for chunk in [&b"abc"[..], b"defgh", b"ijklmnop", b"q"] {
            capture.push(chunk);
        }
        let captured = capture.snapshot();
        assert_eq!((captured.head.as_slice(), captured.tail.as_slice()), (&b"abcd"[..], &b"nopq"[..]));
        assert_eq!(captured.dropped_bytes, 17 - 8);
        assert_eq!(captured.complete(), None);
    }

    #[test]
    fn short_output_is_complete() {
        let mut capture = Capture::new(8);
        capture.push(b"abcdef");
        assert_eq!(capture.snapshot().complete().as_deref(), Some(&b"abcdef"[..]));
    }
}
