//! API keys: a file of hashes, one client a line, compared in constant time.
//!
//! ```text
//! # name  blake3 of the key, in hexadecimal   (`proofloop serve --new-key NAME` prints both)
//! trainer 8f14…
//! ```
//! A key is 32 random bytes that nobody chose, so a plain hash is as good as a slow one: there is nothing to guess.

use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// The file of keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It can't be read.
    #[error("cannot read the keys in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A line is no key.
    #[error("`{}`, line {line}: {detail}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: usize,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// There are no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

/// Who may ask.
#[derive(Debug, Default)]
pub struct Keys {
    known: Vec<(String, [u8; 32])>,
}

impl Keys {
    /// Reads the file.
    ///
    /// # Errors
    /// [`KeysError`], naming the line.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeysError::Read { path: path.to_path_buf(), source })?;
        let wrong = |line, detail| KeysError::Line { path: path.to_path_buf(), line, detail };
        let mut known: Vec<(String, [u8; 32])> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (name, hash) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong(number, "expected a name and a hash"))?;
            let hash = blake3::Hash::from_hex(hash.trim())
                .map_err(|_not_hex| wrong(number, "the hash is not 64 hexadecimal digits"))?;
            if known.iter().any(|(other, _)| other == name) {
                return Err(wrong(number, "this name is there twice"));
            }
            known.push((name.to_owned(), *hash.as_bytes()));
        }
        if known.is_empty() {
            return Err(wrong(0, "it holds no key, so nobody could ask"));
        }
        Ok(Self { known })
    }

    /// The name behind a key. How long it takes says nothing about the keys.
    #[must_use]
    pub fn name_of(&self, key: &str) -> Option<&str> {
        let hash = blake3::hash(key.as_bytes());
        let mut found = None;
        for (name, known) in &self.known {
            if bool::from(known.ct_eq(hash.as_bytes())) {
                found = Some(name.as_str());
            }
        }
        found
    }

    /// A new key, and its hash.
    ///
    /// # Errors
    /// [`KeysError::Random`].
    pub fn generate() -> Result<(String, String), KeysError> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(KeysError::Random)?;
        let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("pl-{key}");
        let hash = blake3::hash(key.as_bytes()).to_hex().to_string();
        Ok((key, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(text: &str) -> Result<Keys, KeysError> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        Keys::read(file.path())
    }

    #[test]
    fn a_new_key_is_known_by_its_hash() {
        let (key, hash) = Keys::generate().expect("random numbers");
        let keys = read(&format!("# who\n\ntrainer {hash} # since today\nother {}\n", "0".repeat(64)))
            .expect("reads");
        assert_eq!(keys.name_of(&key), Some("trainer"));
        assert_eq!(keys.name_of(&hash), None);
        assert_eq!(keys.name_of(""), None);
    }

    #[test]
    fn bad_lines_are_named() {
        let zeros = "0".repeat(64);
        for (text, expected) in [
            ("alone\n".to_owned(), "line 1: expected a name and a hash"),
            ("\na xyz".to_owned(), "line 2: the hash is not 64 hexadecimal digits"),
            (format!("a {zeros}\na {zeros}"), "line 2: this name is there twice"),
            ("# nothing".to_owned(), "it holds no key"),
        ] {
            let error = read(&text).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
