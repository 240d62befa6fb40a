//! Where records come from: lines, the items of a JSON array, or the theorems of a Lean file.

use super::fields::{self, Fields};
use super::lean_file;
use crate::error::{Cause, Place};
use crate::json::Checked;
use crate::lines::{BoundedLines, LineProblem};
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, BufReader, Read};

/// A file that must be read whole (a JSON array, a Lean file) may have this many bytes.
pub const MAX_WHOLE_FILE_BYTES: u64 = 256 * 1024 * 1024;

pub(super) enum Records {
    Lines(BoundedLines<Box<dyn BufRead + Send>>),
    Items(std::iter::Enumerate<std::vec::IntoIter<Checked>>),
    Theorems(std::vec::IntoIter<(u64, Fields)>),
    Failed(Option<Cause>),
}

impl Records {
    pub(super) fn failed(cause: Cause) -> Self {
        Self::Failed(Some(cause))
    }

    pub(super) fn lines(reader: Box<dyn BufRead + Send>) -> Self {
        Self::Lines(BoundedLines::new(reader))
    }

    pub(super) fn array(reader: impl Read) -> Self {
        let items = whole(reader).and_then(|text| match text.as_slice() {
            [] => Ok(Vec::new()),
            [0xef, 0xbb, 0xbf, text @ ..] | text => {
                serde_json::from_slice::<Vec<Checked>>(text).map_err(|error| fields::json_cause(&error))
            }
        });
        match items {
            Ok(items) => Self::Items(items.into_iter().enumerate()),
            Err(cause) => Self::failed(cause),
        }
    }

    /// The theorems of a Lean file, each with the text before it.
    pub(super) fn theorems(reader: impl Read) -> Self {
        let theorems = whole(reader).and_then(|bytes| {
            let not_utf8 = |byte| Cause::FileNotUtf8 { byte };
            let text =
                String::from_utf8(bytes).map_err(|error| not_utf8(error.utf8_error().valid_up_to() + 1))?;
            lean_file::theorems(&text)
        });
        match theorems {
            Ok(theorems) => Self::Theorems(theorems.into_iter()),
            Err(cause) => Self::failed(cause),
        }
    }

    pub(super) fn next(&mut self) -> Option<(Place, Result<Fields, Cause>)> {
        match self {
            Self::Lines(lines) => loop {
                return Some(match lines.next()? {
                    Ok(line) if line.text.trim().is_empty() => continue,
                    Ok(line) => (Place::Line(line.number), Fields::from_line(line.text)),
                    Err(error) => (Place::Line(error.number), Err(error.problem.into())),
                });
            },
            Self::Items(items) => {
                let (index, checked) = items.next()?;
                Some((Place::Item(index as u64 + 1), Fields::from_checked(checked)))
            }
            Self::Theorems(theorems) => {
                let (line, fields) = theorems.next()?;
                Some((Place::Line(line), Ok(fields)))
            }
            Self::Failed(cause) => Some((Place::File, Err(cause.take()?))),
        }
    }
}

/// All of a file, within the bound.
fn whole(reader: impl Read) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    let length = reader.take(MAX_WHOLE_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(LineProblem::Io)?;
    if length as u64 > MAX_WHOLE_FILE_BYTES {
        return Err(Cause::FileTooLong { limit_bytes: MAX_WHOLE_FILE_BYTES });
    }
    Ok(bytes)
}

pub(super) fn decompressed(
    mut reader: impl BufRead + Send + 'static,
) -> std::io::Result<Box<dyn BufRead + Send>> {
    let is_gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(reader))) } else { Box::new(reader) })
}
