//! Text to tokens and back, by Hugging Face's `tokenizers`: any `tokenizer.json`, or a byte-level BPE that is trained
//! on texts of ours.

use std::io::Write as _;
use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, TokenizerBuilder};

use super::error::{ModelError, Result};
use super::files;

/// The largest `tokenizer.json` that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// A byte-level alphabet has one symbol for each byte.
const BYTES: usize = 256;

/// A tokenizer.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

fn failed(problem: impl Into<String>) -> impl FnOnce(tokenizers::Error) -> ModelError {
    let problem = problem.into();
    move |source| ModelError::Tokenizer { problem, source: Some(source) }
}

fn wrong(problem: impl Into<String>) -> ModelError {
    ModelError::Tokenizer { problem: problem.into(), source: None }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read or is no tokenizer.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read_small(path, MAX_FILE_BYTES)?;
        let inner = tokenizers::Tokenizer::from_bytes(bytes);
        Ok(Self { inner: inner.map_err(failed(format!("`{}` is not one", path.display())))? })
    }

    /// Trains a byte-level BPE (the scheme of GPT-2): every text can be encoded and comes back exactly.
    ///
    /// `special` are tokens of their own that no text is split into unless it contains them whole; their ids are 0, 1, ….
    /// There may be fewer tokens than `vocab_size` if the texts have no more pairs that occur twice.
    ///
    /// # Errors
    /// `vocab_size` has no room for 256 bytes and the special tokens, or a special token occurs twice or is empty.
    pub fn train<'a>(
        texts: impl Iterator<Item = &'a str> + Send,
        vocab_size: usize,
        special: &[&str],
    ) -> Result<Self> {
        let least = BYTES + special.len();
        if vocab_size < least {
            return Err(wrong(format!(
                "a vocabulary of {vocab_size} has no room for bytes and special tokens, {least}"
            )));
        }
        let repeated = |(index, token): (usize, &&str)| token.is_empty() || special[..index].contains(token);
        if special.iter().enumerate().any(repeated) {
            return Err(wrong("a special token is empty or occurs twice"));
        }
        let mut trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(vocab_size)
            .min_frequency(2)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(special.iter().map(|&token| AddedToken::from(token.to_owned(), true)).collect())
            .build();
        // Without a prefix space and with offsets left alone, so that decoding gives the text back.
        let byte_level = ByteLevel::new(false, true, true);
        let mut tokenizer = TokenizerBuilder::default()
            .with_model(BPE::default())
            .with_normalizer(None::<tokenizers::NormalizerWrapper>)
            .with_pre_tokenizer(Some(byte_level))
            .with_post_processor(None::<tokenizers::PostProcessorWrapper>)
            .with_decoder(Some(byte_level))
            .build()
            .map_err(failed("it cannot be built"))?;
        tokenizer.train(&mut trainer, texts).map_err(failed("training failed"))?;
        let text = tokenizer.to_string(false).map_err(failed("it cannot be written"))?;
        let inner = tokenizers::Tokenizer::from_bytes(text).map_err(failed("it cannot be read back"))?;
        Ok(Self { inner })
    }

    /// The same, but [`Tokenizer::encode`] with `add_special` puts this special token in front of every text, as whoever
    /// loads the file will do, too.
    ///
    /// # Errors
    /// The token is not in the vocabulary.
    pub fn starting_with(mut self, token: &str) -> Result<Self> {
        let Some(id) = self.id(token) else { return Err(wrong(format!("it has no token `{token}`"))) };
        let refused = |problem: String| wrong(format!("no text can start with `{token}`: {problem}"));
        let pieces = |texts: &[&str]| {
            std::iter::once(&token).chain(texts).map(|&text| text.to_owned()).collect::<Vec<_>>()
        };
        let mut builder = TemplateProcessing::builder();
        builder.try_single(pieces(&["$A"])).map_err(refused)?;
        builder.try_pair(pieces(&["$A", "$B"])).map_err(refused)?;
        let template = builder.special_tokens(vec![(token, id)]).build();
        let template = template.map_err(|error| refused(error.to_string()))?;
        self.inner.with_post_processor(Some(template));
        Ok(self)
    }

    /// The token that [`Tokenizer::encode`] with `add_special` puts in front of every text, if there is one.
    ///
    /// This, and not a configuration's `bos_token_id`, says what a model has seen there: Qwen's names a token that no
    /// text of theirs begins with.
    ///
    /// # Errors
    /// The tokenizer cannot encode an empty text.
    pub fn first_token(&self) -> Result<Option<u32>> {
        Ok(self.encode("", true)?.first().copied())
    }

    /// Writes a `tokenizer.json`, beside and renamed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = self.inner.to_string(true).map_err(failed("it cannot be written"))?;
        files::write_renamed(path, |file| file.write_all(text.as_bytes()))
    }

    /// The tokens of a text. `add_special` lets the tokenizer put its own tokens around it (a start of text, say).
    ///
    /// # Errors
    /// The tokenizer cannot encode it.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, add_special);
        Ok(encoding.map_err(failed("a text cannot be encoded"))?.get_ids().to_vec())
    }

    /// The text of tokens. Bytes that are no UTF-8 become replacement characters.
    ///
    /// # Errors
    /// A token is not in the vocabulary.
    pub fn decode(&self, tokens: &[u32], skip_special: bool) -> Result<String> {
        if let Some(token) = tokens.iter().find(|&&token| self.inner.id_to_token(token).is_none()) {
            return Err(wrong(format!("token {token} is not in the vocabulary")));
        }
        self.inner.decode(tokens, skip_special).map_err(failed("tokens cannot be decoded"))
    }

    /// The id of a token, given as the vocabulary spells it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The largest token id, which decides how large an embedding must be: ids may have gaps.
    pub fn largest_id(&self) -> Option<u32> {
        self.inner.get_vocab(true).into_values().max()
    }

    /// Whether every token has a row in the embedding of a model. The embedding may have more: many are padded.
    ///
    /// # Errors
    /// It has not; the error says both sizes.
    pub fn check_fits(&self, model_vocab_size: usize) -> Result<()> {
        match self.largest_id() {
            None => Err(wrong("it has no tokens")),
            Some(largest) if largest as usize >= model_vocab_size => {
                let problem =
                    format!("its largest token is {largest}, the model has {model_vocab_size} tokens");
                Err(wrong(problem))
            }
            Some(_) => Ok(()),
        }
    }

    /// The library's tokenizer, for decoding piece by piece.
    pub fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
