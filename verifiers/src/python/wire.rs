//! The strict subset of Python's `marshal` (version 2) that crosses between the two interpreters.
//!
//! Everything that comes from the candidate's side passes [`validate`] before the test's side sees it: exact builtin
//! types only, no references, no code objects, bounded depth, no bytes left over.

/// Deepest nesting that is let through.
pub const MAX_DEPTH: usize = 200;

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It ends in the middle of a value.
    #[error("message ends early")]
    Truncated,
    /// A type that may not cross.
    #[error("type byte {0:#04x} is not allowed")]
    Type(u8),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deeply")]
    Depth,
    /// A length below zero, an integer that is not normalised, text that is not UTF-8.
    #[error("malformed value")]
    Malformed,
    /// A list, set or dict where a hashable value is needed.
    #[error("unhashable value in a set or as a key")]
    Unhashable,
    /// Something follows the value.
    #[error("bytes after the value")]
    Trailing,
}

/// A decoded message: what the host itself reads or writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `...`
    Ellipsis,
    /// `True`, `False`
    Bool(bool),
    /// An integer of 32 bits.
    Int(i32),
    /// A larger integer: sign and 15-bit digits, least significant first.
    Long {
        /// Below zero.
        negative: bool,
        /// At least one, the last one not zero.
        digits: Vec<u16>,
    },
    /// A float.
    Float(f64),
    /// A complex number.
    Complex(f64, f64),
    /// Text; UTF-8 in which lone surrogates may occur.
    Str(Vec<u8>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A dict.
    Dict(Vec<(Value, Value)>),
    /// A set.
    Set(Vec<Value>),
    /// A frozenset.
    FrozenSet(Vec<Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.as_bytes().to_vec())
    }
}

impl Value {
    /// The text of a string value, surrogates replaced.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        if let Self::Str(bytes) = self { Some(String::from_utf8_lossy(bytes).into_owned()) } else { None }
    }

    /// The items of a tuple.
    #[must_use]
    pub fn tuple(&self) -> Option<&[Self]> {
        if let Self::Tuple(items) = self { Some(items) } else { None }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len_bytes: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(len_bytes).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.take(N)?.try_into().or(Err(WireError::Truncated))
    }

    fn int(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_le_bytes)
    }

    fn float(&mut self) -> Result<f64, WireError> {
        self.array().map(f64::from_le_bytes)
    }

    /// A length. Every element takes at least one byte, so a length beyond the rest is refused at once.
    fn len(&mut self) -> Result<usize, WireError> {
        let len = usize::try_from(self.int()?).or(Err(WireError::Malformed))?;
        if len > self.rest.len() { Err(WireError::Truncated) } else { Ok(len) }
    }

    fn digits(&mut self) -> Result<(bool, &'a [u8]), WireError> {
        let count = self.int()?;
        let len = count.unsigned_abs() as usize;
        let bytes = self.take(len.checked_mul(2).ok_or(WireError::Malformed)?)?;
        let mut top = 1;
        for pair in bytes.chunks_exact(2) {
            top = u16::from_le_bytes([pair[0], pair[1]]);
            if top >= 1 << 15 {
                return Err(WireError::Malformed);
            }
        }
        if len == 0 || top == 0 { Err(WireError::Malformed) } else { Ok((count < 0, bytes)) }
    }

    /// Walks over one value without building it.
    fn skip(&mut self, depth: usize, hashable: bool) -> Result<(), WireError> {
        let kind = self.byte()?;
        self.skip_kind(kind, depth, hashable)
    }

    fn skip_kind(&mut self, kind: u8, depth: usize, hashable: bool) -> Result<(), WireError> {
        if depth > MAX_DEPTH {
            return Err(WireError::Depth);
        }
        if hashable && matches!(kind, b'[' | b'{' | b'<') {
            return Err(WireError::Unhashable);
        }
        match kind {
            b'N' | b'T' | b'F' | b'.' => Ok(()),
            b'i' => self.take(4).map(drop),
            b'g' => self.take(8).map(drop),
            b'y' => self.take(16).map(drop),
            b'l' => self.digits().map(drop),
            b's' => {
                let len_bytes = self.len()?;
                self.take(len_bytes).map(drop)
            }
            b'u' => {
                let len_bytes = self.len()?;
                check_text(self.take(len_bytes)?)
            }
            b'(' | b'[' | b'<' | b'>' => {
                let len = self.len()?;
                let hashable = hashable || matches!(kind, b'<' | b'>');
                (0..len).try_for_each(|_| self.skip(depth + 1, hashable))
            }
            b'{' => loop {
                let kind = self.byte()?;
                if kind == b'0' {
                    break Ok(());
                }
                self.skip_kind(kind, depth + 1, true)?;
                self.skip(depth + 1, false)?;
            },
            other => Err(WireError::Type(other)),
        }
    }

    /// Builds one value; only called on bytes that [`validate`] has passed.
    fn value(&mut self) -> Result<Value, WireError> {
        let kind = self.byte()?;
        self.value_of(kind)
    }

    fn value_of(&mut self, kind: u8) -> Result<Value, WireError> {
        Ok(match kind {
            b'N' => Value::None,
            b'.' => Value::Ellipsis,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'i' => Value::Int(self.int()?),
            b'g' => Value::Float(self.float()?),
            b'y' => Value::Complex(self.float()?, self.float()?),
            b'l' => {
                let (negative, bytes) = self.digits()?;
                let digits =
                    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                Value::Long { negative, digits }
            }
            b's' | b'u' => {
                let len_bytes = self.len()?;
                let bytes = self.take(len_bytes)?.to_vec();
                if kind == b's' { Value::Bytes(bytes) } else { Value::Str(bytes) }
            }
            b'(' => Value::Tuple(self.values()?),
            b'[' => Value::List(self.values()?),
            b'<' => Value::Set(self.values()?),
            b'>' => Value::FrozenSet(self.values()?),
            b'{' => {
                let mut items = Vec::new();
                loop {
                    let kind = self.byte()?;
                    if kind == b'0' {
                        break Value::Dict(items);
                    }
                    let key = self.value_of(kind)?;
                    items.push((key, self.value()?));
                }
            }
            other => return Err(WireError::Type(other)),
        })
    }

    fn values(&mut self) -> Result<Vec<Value>, WireError> {
        let len = self.len()?;
        (0..len).map(|_| self.value()).collect()
    }
}

/// UTF-8, except that the surrogates U+D800 to U+DFFF may occur, as in Python's `surrogatepass`.
fn check_text(mut bytes: &[u8]) -> Result<(), WireError> {
    loop {
        let Err(error) = std::str::from_utf8(bytes) else { return Ok(()) };
        let rest = &bytes[error.valid_up_to()..];
        match rest {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, after @ ..] => bytes = after,
            _ => return Err(WireError::Malformed),
        }
    }
}

/// Accepts exactly one value of the allowed types and nothing after it.
///
/// # Errors
/// What is wrong with it first.
pub fn validate(bytes: &[u8]) -> Result<(), WireError> {
    let mut reader = Reader { rest: bytes };
    reader.skip(0, false)?;
    if reader.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
}

/// Validates and builds.
///
/// # Errors
/// As [`validate`].
pub fn decode(bytes: &[u8]) -> Result<Value, WireError> {
    validate(bytes)?;
    Reader { rest: bytes }.value()
}

/// The bytes of a value, as `marshal.loads` reads them. Lengths beyond 2³¹ are cut off by marshal's own format.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, &mut out);
    out
}

fn put_len(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&i32::try_from(len).unwrap_or(i32::MAX).to_le_bytes());
}

fn put_many(kind: u8, items: &[Value], out: &mut Vec<u8>) {
    out.push(kind);
    put_len(items.len(), out);
    items.iter().for_each(|item| put(item, out));
}

fn put_bytes(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    put_len(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(b'N'),
        Value::Ellipsis => out.push(b'.'),
        Value::Bool(true) => out.push(b'T'),
        Value::Bool(false) => out.push(b'F'),
        Value::Int(int) => {
            out.push(b'i');
            out.extend_from_slice(&int.to_le_bytes());
        }
        Value::Long { negative, digits } => {
            out.push(b'l');
            let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
            out.extend_from_slice(&(if *negative { -count } else { count }).to_le_bytes());
            digits.iter().for_each(|digit| out.extend_from_slice(&digit.to_le_bytes()));
        }
        Value::Float(float) => {
            out.push(b'g');
            out.extend_from_slice(&float.to_le_bytes());
        }
        Value::Complex(real, imaginary) => {
            out.push(b'y');
            out.extend_from_slice(&real.to_le_bytes());
            out.extend_from_slice(&imaginary.to_le_bytes());
        }
        Value::Str(bytes) => put_bytes(b'u', bytes, out),
        Value::Bytes(bytes) => put_bytes(b's', bytes, out),
        Value::Tuple(items) => put_many(b'(', items, out),
        Value::List(items) => put_many(b'[', items, out),
        Value::Set(items) => put_many(b'<', items, out),
        Value::FrozenSet(items) => put_many(b'>', items, out),
        Value::Dict(items) => {
            out.push(b'{');
            for (key, value) in items {
                put(key, out);
                put(value, out);
            }
            out.push(b'0');
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
