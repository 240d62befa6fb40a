//! Bytes to replies: incremental, bounded, and wary of text that is none of the REPL's.

use super::protocol::Response;
use serde::de::IgnoredAny;
use std::io::Read;
use thiserror::Error;

/// The work that finding a reply behind printed text may take, as a multiple of the block's length.
const MAX_SCAN_FACTOR: usize = 16;

/// A block of output: what stands between two blank lines.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// It ends in exactly one reply.
    Reply {
        /// The reply.
        response: Box<Response>,
        /// Length of the foreign text before it in the block.
        foreign_bytes: usize,
    },
    /// It holds no reply at all.
    Foreign {
        /// Its length.
        bytes: usize,
    },
}

/// Output that cannot be made sense of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// A block is longer than allowed. Nothing that follows can be read.
    #[error("a block of output is longer than {limit_bytes} bytes")]
    TooLong {
        /// The bound.
        limit_bytes: usize,
    },
    /// A block holds something that looks like a reply, and something else after it.
    #[error("a block of output holds a reply and other text after it")]
    Ambiguous,
}

/// Collects output and cuts it into frames.
#[derive(Debug)]
pub struct ReplyDecoder {
    buffer: Vec<u8>,
    /// Up to here there is no blank line in the buffer.
    scanned: usize,
    limit_bytes: usize,
}

impl ReplyDecoder {
    /// A decoder for blocks of at most `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { buffer: Vec::new(), scanned: 0, limit_bytes }
    }

    /// Takes bytes as they arrive, cut anywhere. Take out the frames with [`next_frame`](Self::next_frame) before the
    /// next call: the buffer holds what was pushed and not yet taken.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole block, if there is one. Blocks of white space are passed over.
    ///
    /// # Errors
    /// [`CodecError::Ambiguous`] costs that block only; [`CodecError::TooLong`] comes back at every further call.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, CodecError> {
        while let Some((end, after)) = self.block_end() {
            if end > self.limit_bytes {
                return Err(CodecError::TooLong { limit_bytes: self.limit_bytes });
            }
            let rest = self.buffer.split_off(after);
            let block = std::mem::replace(&mut self.buffer, rest);
            self.scanned = 0;
            if let Some(frame) = frame(&block[..end])? {
                return Ok(Some(frame));
            }
        }
        if self.buffer.len() > self.limit_bytes {
            return Err(CodecError::TooLong { limit_bytes: self.limit_bytes });
        }
        Ok(None)
    }

    /// The last block, when the output has ended without a blank line.
    ///
    /// # Errors
    /// As [`next_frame`](Self::next_frame).
    pub fn finish(mut self) -> Result<Option<Frame>, CodecError> {
        if let Some(frame) = self.next_frame()? {
            return Ok(Some(frame));
        }
        frame(&self.buffer)
    }

    /// Where the first block ends and where the next one begins.
    fn block_end(&mut self) -> Option<(usize, usize)> {
        let mut at = self.scanned;
        while let Some(found) = self.buffer[at..].iter().position(|byte| *byte == b'\n') {
            let line_end = at + found;
            match &self.buffer[line_end + 1..] {
                [b'\n', ..] => return Some((line_end, line_end + 2)),
                [b'\r', b'\n', ..] => return Some((line_end, line_end + 3)),
                // Not known before more arrives.
                [] | [b'\r'] => {
                    self.scanned = line_end;
                    return None;
                }
                _ => at = line_end + 1,
            }
        }
        self.scanned = self.buffer.len();
        None
    }
}

/// What a block is; `None` for white space.
fn frame(block: &[u8]) -> Result<Option<Frame>, CodecError> {
    let block = block.trim_ascii_end();
    if block.is_empty() {
        return Ok(None);
    }
    // Text before a reply never makes one whole object with it: the reply's last brace closes the reply's first one,
    // or, if the text has left a string open, the reply's first quote closes that string and its first key follows.
    if let Some(response) = Response::parse(block) {
        return Ok(Some(Frame::Reply { response: Box::new(response), foreign_bytes: 0 }));
    }
    let mut work_left = block.len().saturating_mul(MAX_SCAN_FACTOR);
    let mut at = 0;
    while let Some(found) = block[at..].iter().position(|byte| *byte == b'{') {
        let start = at + found;
        let (length, work) = object_length(&block[start..]);
        work_left = work_left.checked_sub(work).ok_or(CodecError::Ambiguous)?;
        let Some(length) = length else {
            at = start + 1;
            continue;
        };
        let end = start + length;
        match Response::parse(&block[start..end]) {
            Some(_) if end < block.len() => return Err(CodecError::Ambiguous),
            Some(response) => {
                return Ok(Some(Frame::Reply { response: Box::new(response), foreign_bytes: start }));
            }
            None => at = end,
        }
    }
    Ok(Some(Frame::Foreign { bytes: block.len() }))
}

/// Length of the JSON object that the bytes begin with, if they do, and the number of bytes looked at.
fn object_length(bytes: &[u8]) -> (Option<usize>, usize) {
    let mut counted = Counted { bytes, read: 0 };
    let mut values = serde_json::Deserializer::from_reader(&mut counted).into_iter::<IgnoredAny>();
    let is_whole = matches!(values.next(), Some(Ok(IgnoredAny)));
    let length = values.byte_offset();
    (is_whole.then_some(length), counted.read.max(1))
}

/// A slice that knows how much of it was read.
struct Counted<'b> {
    bytes: &'b [u8],
    read: usize,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.bytes.len().min(into.len());
        into[..length].copy_from_slice(&self.bytes[..length]);
        self.bytes = &self.bytes[length..];
        self.read += length;
        Ok(length)
    }
}
