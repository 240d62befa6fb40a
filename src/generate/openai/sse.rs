//! Server-sent events: bytes to the `data` of each event (HTML standard, §9.2.6 "Interpreting an event stream").
//!
//! Only `data` matters to this API; `event`, `id`, `retry` and comments are passed over. Of the crates that do it, the one
//! in use keeps events of any size.

use super::error::CallError;

/// The parser, between two chunks.
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// A line feed that comes next belongs to the line before.
    after_return: bool,
    is_first_line: bool,
    limit_bytes: usize,
}

impl Events {
    /// A parser for one stream, which refuses events above `limit_bytes`.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            after_return: false,
            is_first_line: true,
            limit_bytes,
        }
    }

    /// Adds the events that `bytes` complete to `events`.
    ///
    /// # Errors
    /// An event is too long.
    pub(super) fn push(&mut self, mut bytes: &[u8], events: &mut Vec<Vec<u8>>) -> Result<(), CallError> {
        if self.after_return && !bytes.is_empty() {
            self.after_return = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend(&bytes[..end])?;
            self.end_line(events);
            let is_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if is_return {
                self.after_return = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
        }
        self.extend(bytes)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        if self.line.len() + self.data.len() + bytes.len() > self.limit_bytes {
            return Err(CallError::TooLong { limit_bytes: self.limit_bytes });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<Vec<u8>>) {
        let mut line = self.line.as_slice();
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                events.push(std::mem::take(&mut self.data));
            }
        } else if let Some(value) = line.strip_prefix(b"data") {
            let value = match value {
                [] => Some(value),
                [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
                _ => None,
            };
            if let Some(value) = value {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let (mut parser, mut events) = (Events::new(1 << 16), Vec::new());
        for chunk in chunks {
            parser.push(chunk, &mut events).expect("short");
        }
        events.into_iter().map(|event| String::from_utf8(event).expect("UTF-8")).collect()
    }

    #[test]
    fn fields_comments_and_line_ends_are_read_as_the_standard_says() {
        let cases: [(&str, &[&str]); 9] = [
            ("data: a\n\ndata:b\n\n", &["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &["a", "b", "c"]),
            (": comment\n\nevent: x\nid: 7\nretry: 1\ndata: a\n\n", &["a"]),
            ("data: a\ndata:  b\ndata\ndata:\n\n", &["a\n b\n\n"]),
            ("data\n\n", &[""]),
            ("\u{feff}data: a\n\n", &["a"]),
            ("database: a\n\n\n\n", &[]),
            ("data: not complete", &[]),
            ("data: not complete\n", &[]),
        ];
        for (stream, expected) in cases {
            assert_eq!(parse([stream.as_bytes()]), expected, "{stream:?}");
        }
    }

    #[test]
    fn long_events_are_refused_wherever_they_grow() {
        for stream in
            ["data: 0123456789abcdef", "data: 01234567\ndata: 01234567\ndata: 0", "0123456789abcdefg"]
        {
            let mut parser = Events::new(16);
            let error = stream.bytes().try_for_each(|byte| parser.push(&[byte], &mut Vec::new()));
            assert!(matches!(error, Err(CallError::TooLong { limit_bytes: 16 })), "{stream}");
        }
        let mut parser = Events::new(16);
        for _ in 0..100 {
            parser.push(b"data: 01234567\n\n", &mut Vec::new()).expect("each is short");
        }
    }

    proptest! {
        /// Written with any line ends and cut anywhere, the events are those that were written.
        #[test]
        fn cuts_change_nothing(
            events in prop::collection::vec("[ -~é€😀]{0,12}", 0..8),
            ends in prop::collection::vec(0..3_usize, 1..9),
            comment in "[ -~é]{0,8}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut stream = String::new();
            let mut ends = ends.iter().map(|end| ["\n", "\r\n", "\r"][*end]).cycle();
            let mut end = || ends.next().unwrap_or("\n");
            for event in &events {
                // Between a return and a line feed no line ends, so the line ends of one event are alike.
                let end = end();
                stream.push_str(&format!(":{comment}{end}data: {event}{end}{end}"));
            }
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let edges = std::iter::once(0).chain(cuts.iter().copied()).zip(cuts.iter().copied().chain([bytes.len()]));
            prop_assert_eq!(&parse(edges.map(|(from, to)| &bytes[from..to])), &events);
            prop_assert_eq!(&parse(bytes.chunks(1)), &events);
        }
    }
}
