//! Tokens to text, piece by piece: half a character is held back, and so is what may become a stop string. The pieces
//! behind each other are the text, however the tokens divide it.

use std::collections::HashMap;
use std::sync::LazyLock;

use tokenizers::{DecoderWrapper, Model as _};

use super::error::Result;
use crate::model::{ModelError, Tokenizer};

/// In a window that does not end in a whole character after so many tokens, nothing is missing: it is no UTF-8.
const MOST_HELD_TOKENS: usize = 5;

/// Tokens before the first one that its text may depend on (a space that a decoder takes for the start of a text).
const CONTEXT_TOKENS: usize = 5;

/// One completion's text.
#[derive(Debug)]
pub(super) struct TextStream {
    decoder: PieceDecoder,
    stops: Stops,
    text: String,
}

impl TextStream {
    pub(super) fn new(tokenizer: &Tokenizer, prompt: &[u32], stops: &[String]) -> Self {
        let decoder = PieceDecoder::new(tokenizer, prompt);
        Self { decoder, stops: Stops::new(stops), text: String::new() }
    }

    /// Adds a token. Gives the text that is certain now, and whether a stop string came.
    ///
    /// # Errors
    /// The tokenizer cannot decode it.
    pub(super) fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> Result<(String, bool)> {
        let decoded = self.decoder.push(tokenizer, token)?;
        let (piece, is_stopped) = self.stops.push(&decoded);
        self.text.push_str(&piece);
        Ok((piece, is_stopped))
    }

    /// Nothing more comes: what was held back.
    ///
    /// # Errors
    /// The tokenizer cannot decode it.
    pub(super) fn end(&mut self, tokenizer: &Tokenizer) -> Result<String> {
        let (mut piece, is_stopped) = self.stops.push(&self.decoder.end(tokenizer)?);
        if !is_stopped {
            piece.push_str(&self.stops.end());
        }
        self.text.push_str(&piece);
        Ok(piece)
    }

    /// All pieces until now.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

#[derive(Debug)]
enum PieceDecoder {
    /// Byte-level tokens are bytes: those of an unfinished character are kept.
    Bytes(Vec<u8>),
    /// Any other tokenizer: the text of a few tokens, less that of those that have been told.
    Window { tokens: Vec<u32>, told: usize },
}

impl PieceDecoder {
    fn new(tokenizer: &Tokenizer, prompt: &[u32]) -> Self {
        if tokenizer.inner().get_decoder().is_some_and(is_byte_level) {
            return Self::Bytes(Vec::new());
        }
        let tokens = prompt[prompt.len().saturating_sub(CONTEXT_TOKENS)..].to_vec();
        Self::Window { told: tokens.len(), tokens }
    }

    fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> Result<String> {
        match self {
            Self::Bytes(pending) => {
                push_bytes(tokenizer, token, pending);
                Ok(take_characters(pending))
            }
            Self::Window { tokens, told } => {
                tokens.push(token);
                let (piece, is_whole) = new_text(tokenizer, tokens, *told)?;
                if !is_whole && tokens.len() - *told < MOST_HELD_TOKENS {
                    return Ok(String::new());
                }
                tokens.drain(..tokens.len().saturating_sub(CONTEXT_TOKENS).min(*told));
                *told = tokens.len();
                Ok(piece)
            }
        }
    }

    fn end(&mut self, tokenizer: &Tokenizer) -> Result<String> {
        match self {
            Self::Bytes(pending) => Ok(String::from_utf8_lossy(&std::mem::take(pending)).into_owned()),
            Self::Window { tokens, told } => {
                let (piece, _) = new_text(tokenizer, tokens, *told)?;
                *told = tokens.len();
                Ok(piece)
            }
        }
    }
}

/// What the tokens from `told` on add to the text of those before them, and whether it ends in a whole character.
fn new_text(tokenizer: &Tokenizer, tokens: &[u32], told: usize) -> Result<(String, bool)> {
    let (before, now) = (decode(tokenizer, &tokens[..told])?, decode(tokenizer, tokens)?);
    let piece = now.get(before.len()..).unwrap_or_default().to_owned();
    let is_whole = !piece.ends_with(char::REPLACEMENT_CHARACTER);
    Ok((piece, is_whole))
}

/// Unknown tokens (an embedding may have more rows than there are tokens) and special ones have no text.
fn decode(tokenizer: &Tokenizer, tokens: &[u32]) -> Result<String> {
    let failed = |source| ModelError::Tokenizer {
        problem: "tokens cannot be decoded".to_owned(),
        source: Some(source),
    };
    Ok(tokenizer.inner().decode(tokens, true).map_err(failed)?)
}

fn is_byte_level(decoder: &DecoderWrapper) -> bool {
    if let DecoderWrapper::Sequence(parts) = decoder {
        return matches!(parts.get_decoders(), [DecoderWrapper::ByteLevel(_)]);
    }
    matches!(decoder, DecoderWrapper::ByteLevel(_))
}

/// The byte that each character of GPT-2's byte-level alphabet stands for: printable ones for themselves, the others in
/// order from U+0100 on.
static BYTES: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let is_printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let own = (0..=u8::MAX).filter(is_printable).map(|byte| (char::from(byte), byte));
    let others = (0..=u8::MAX).filter(|byte| !is_printable(byte));
    own.chain(('\u{100}'..).zip(others)).collect()
});

/// The bytes of a byte-level token, as `tokenizers` decodes it: a token that is not in the alphabet is its own text, a
/// special or unknown one nothing.
fn push_bytes(tokenizer: &Tokenizer, token: u32, bytes: &mut Vec<u8>) {
    let (inner, added) = (tokenizer.inner(), tokenizer.inner().get_added_vocabulary());
    let text = added.simple_id_to_token(token).or_else(|| inner.get_model().id_to_token(token));
    let Some(text) = text.filter(|text| !added.is_special_token(text)) else { return };
    let start = bytes.len();
    for character in text.chars() {
        let Some(byte) = BYTES.get(&character) else {
            bytes.truncate(start);
            bytes.extend_from_slice(text.as_bytes());
            return;
        };
        bytes.push(*byte);
    }
}

/// Takes whole characters from the front of `bytes`, with replacement characters for what is none, and leaves what may
/// become one.
fn take_characters(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut start = 0;
    loop {
        let error = match std::str::from_utf8(&bytes[start..]) {
            Ok(rest) => {
                text.push_str(rest);
                bytes.clear();
                return text;
            }
            Err(error) => error,
        };
        let valid = start + error.valid_up_to();
        text.push_str(&String::from_utf8_lossy(&bytes[start..valid]));
        match error.error_len() {
            Some(length) => {
                text.push(char::REPLACEMENT_CHARACTER);
                start = valid + length;
            }
            None => {
                bytes.drain(..valid);
                return text;
            }
        }
    }
}

/// Looks for stop strings in text that comes in pieces.
#[derive(Debug)]
struct Stops {
    strings: Vec<String>,
    /// What could be the beginning of one.
    held: String,
}

impl Stops {
    fn new(strings: &[String]) -> Self {
        Self { strings: strings.to_vec(), held: String::new() }
    }

    /// The text before the stop string that is complete first (of several that end together, the longest), or as much
    /// as cannot be part of one.
    fn push(&mut self, text: &str) -> (String, bool) {
        if self.strings.is_empty() {
            return (text.to_owned(), false);
        }
        self.held.push_str(text);
        let found = self.strings.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        if let Some((_, start)) = found.min() {
            self.held.truncate(start);
            return (std::mem::take(&mut self.held), true);
        }
        let certain = self.held.len() - self.possible_beginning();
        let rest = self.held.split_off(certain);
        (std::mem::replace(&mut self.held, rest), false)
    }

    fn end(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of `held` that a stop string could begin with. A stop string begins with a character, so they do.
    fn possible_beginning(&self) -> usize {
        let held = self.held.as_bytes();
        let longest = |stop: &String| {
            let most = held.len().min(stop.len() - 1);
            (1..=most).rev().find(|&length| stop.as_bytes().starts_with(&held[held.len() - length..]))
        };
        self.strings.iter().filter_map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
