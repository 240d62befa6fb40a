//! Where the server is, and how it is spoken to.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::generate::error::{GenerateError, Result};

/// No wait is longer, so that sums of them are times that the clock has.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the server is asked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Api {
    /// `/v1/completions`: the prompt is continued as it is.
    Completions,
    /// `/v1/chat/completions`: the prompt is the user's message, and the server puts it into the model's template.
    Chat {
        /// The message before it.
        system: Option<String>,
    },
}

/// Which of the fields are sent that OpenAI's own API does not know: `top_k`, `min_p`, `repetition_penalty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extensions {
    /// Those that differ from [`Sampling`](crate::generate::Sampling)'s defaults. Every server takes that, but where a
    /// field is missing some have defaults of their own: llama.cpp cuts off at `top_k` 40 and `min_p` 0.05, vLLM takes
    /// the model's `generation_config.json`.
    WhenSet,
    /// All, so that nothing is cut off unless it was asked for. Servers that know no extensions refuse it.
    Always,
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For everything from the connection to the last byte of the answer; the time in which a stream waits for its
    /// listener is not counted.
    pub call: Duration,
    /// For the next bytes of a stream, the first ones included.
    pub silence: Duration,
}

impl Default for Timeouts {
    /// 10 s, 10 min, 2 min.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(600),
            silence: Duration::from_secs(120),
        }
    }
}

/// How often, and after how long, a call is tried again that failed for a reason that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// In all, the first one included.
    pub attempts: NonZeroU32,
    /// The longest wait before the second attempt; before each later one it doubles. The wait itself is drawn uniformly
    /// from 0 to that ("full jitter"), so that clients which failed together do not come back together.
    pub base: Duration,
    /// The longest that it becomes.
    pub cap: Duration,
    /// The longest that a server's `Retry-After` is obeyed.
    pub retry_after_cap: Duration,
}

impl Default for Retry {
    /// 5 attempts; 0.5 s, doubled up to 30 s; `Retry-After` up to 2 min.
    fn default() -> Self {
        Self {
            attempts: const { NonZeroU32::new(5).expect("not 0") },
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            retry_after_cap: Duration::from_secs(120),
        }
    }
}

/// What the server knows its user by. It is shown nowhere: not by `Debug`, not in an error, not in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The environment variable that other clients of this protocol read.
    pub const VARIABLE: &str = "OPENAI_API_KEY";

    /// A key; space around it is dropped.
    ///
    /// # Errors
    /// It is empty or cannot stand in an HTTP header.
    pub fn new(key: &str) -> Result<Self> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(GenerateError::setting("API key", "must be printable ASCII without spaces"));
        }
        Ok(Self(key.to_owned()))
    }

    /// The key in an environment variable, if that is set and not empty.
    ///
    /// # Errors
    /// It cannot stand in an HTTP header.
    pub fn from_env(variable: &str) -> Result<Option<Self>> {
        match std::env::var_os(variable) {
            Some(key) if !key.is_empty() => Self::new(&key.to_string_lossy()).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// `text` without the key, should a server have repeated it.
    pub(super) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.0, "[API key]")
    }

    pub(super) fn header(&self) -> Result<HeaderValue> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", self.0))
            .map_err(|_invalid| GenerateError::setting("API key", "cannot stand in an HTTP header"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(hidden)")
    }
}

/// Everything that an [`OpenAiGenerator`](super::OpenAiGenerator) has to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server's URL, `http` or `https`. Unless a part of its path is a version (`v1`, `v1beta`), `/v1` is added.
    /// Proxies are taken from the environment, except for servers on this machine.
    pub server: String,
    /// The model's name on the server.
    pub model: String,
    /// What the server is asked through.
    pub api: Api,
    /// Fields beyond OpenAI's.
    pub extensions: Extensions,
    /// For servers that want one. [`ApiKey::from_env`] reads it.
    pub key: Option<ApiKey>,
    /// Calls that are under way at once, for each [`generate`](crate::generate::Generator::generate).
    pub concurrency: NonZeroUsize,
    /// Samples asked for in one call (`n`).
    pub samples_per_call: NonZeroUsize,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// What is tried again.
    pub retry: Retry,
    /// The most of an answer that is read, in bytes; a longer one is an error. So many times `concurrency` bounds the
    /// memory.
    pub max_body_bytes: usize,
}

impl Options {
    /// Completions without a key, 16 calls at once, 8 samples a call, answers up to 64 MiB.
    pub fn new(server: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            model: model.into(),
            api: Api::Completions,
            extensions: Extensions::WhenSet,
            key: None,
            concurrency: const { NonZeroUsize::new(16).expect("not 0") },
            samples_per_call: const { NonZeroUsize::new(8).expect("not 0") },
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            max_body_bytes: 64 << 20,
        }
    }

    /// Where the calls go.
    ///
    /// # Errors
    /// `server` is no such URL.
    pub(super) fn endpoint(&self) -> Result<Url> {
        let wrong = |problem: &str| GenerateError::setting("server", problem);
        let mut url = Url::parse(self.server.trim()).map_err(|error| wrong(&format!("no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("must begin with `http://` or `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("must hold no user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("must end with the path"));
        }
        let is_version =
            |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.starts_with(char::is_numeric));
        let has_version = url.path().split('/').any(is_version);
        let version = if has_version { "" } else { "/v1" };
        let route = match self.api {
            Api::Completions => "completions",
            Api::Chat { .. } => "chat/completions",
        };
        let path = format!("{}{version}/{route}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }

    /// # Errors
    /// A setting out of its range.
    pub(super) fn check(&self) -> Result<()> {
        if self.model.is_empty() {
            return Err(GenerateError::setting("model", "must be the model's name on the server"));
        }
        let Timeouts { connect, call, silence } = self.timeouts;
        for (setting, limit) in [("connect", connect), ("call", call), ("silence", silence)] {
            if limit.is_zero() || limit > LONGEST {
                return Err(GenerateError::setting(setting, "must be more than no time and at most a week"));
            }
        }
        let Retry { attempts: _, base, cap, retry_after_cap } = self.retry;
        for (setting, limit) in [("base", base), ("cap", cap), ("retry_after_cap", retry_after_cap)] {
            if limit > LONGEST {
                return Err(GenerateError::setting(setting, "must be at most a week"));
            }
        }
        if self.max_body_bytes == 0 {
            return Err(GenerateError::setting("max_body_bytes", "must be more than 0"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_added_where_it_is_missing() {
        let cases = [
            ("http://localhost:8000", "http://localhost:8000/v1/completions"),
            ("http://localhost:8000/", "http://localhost:8000/v1/completions"),
            (" http://localhost:8000/v1/ ", "http://localhost:8000/v1/completions"),
            ("https://example.org/llm", "https://example.org/llm/v1/completions"),
            ("https://example.org/v1beta/openai/", "https://example.org/v1beta/openai/completions"),
            ("https://example.org/vault", "https://example.org/vault/v1/completions"),
        ];
        for (server, endpoint) in cases {
            assert_eq!(Options::new(server, "m").endpoint().expect("a URL").as_str(), endpoint);
        }
        let chat = Options { api: Api::Chat { system: None }, ..Options::new("http://[::1]:80", "m") };
        assert_eq!(chat.endpoint().expect("a URL").as_str(), "http://[::1]/v1/chat/completions");
    }

    #[test]
    fn other_urls_are_refused_without_repeating_them() {
        let wrong = [
            "",
            "localhost:8000",
            "ftp://x/",
            "http://",
            "http://u:secret@x/",
            "http://x/?key=secret",
            "http://x/#y",
        ];
        for server in wrong {
            let error = Options::new(server, "m").endpoint().expect_err("refused").to_string();
            assert!(
                error.starts_with("setting `server`: ") && !error.contains("secret"),
                "{server}: {error}"
            );
        }
    }

    #[test]
    fn keys_are_checked_and_never_shown() {
        let key = ApiKey::new(" sk-123\n").expect("a key");
        assert_eq!(key, ApiKey("sk-123".to_owned()));
        let options = Options { key: Some(key.clone()), ..Options::new("http://x", "m") };
        assert!(!format!("{options:?} {:?}", key.header()).contains("sk-123"));
        assert_eq!(key.hide_in("bad sk-123!"), "bad [API key]!");
        for wrong in ["", " ", "two words", "tab\there", "\u{e9}", "line\nbreak"] {
            let error = ApiKey::new(wrong).expect_err("no key").to_string();
            assert_eq!(error, "setting `API key`: must be printable ASCII without spaces");
        }
        assert_eq!(ApiKey::from_env("PROOFLOOP_NO_SUCH_VARIABLE").expect("not set"), None);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let good = Options::new("http://x", "m");
        good.check().expect("in range");
        let timeouts = Timeouts { silence: Duration::ZERO, ..Timeouts::default() };
        let wrong = [
            (Options { model: String::new(), ..good.clone() }, "`model`"),
            (Options { max_body_bytes: 0, ..good.clone() }, "`max_body_bytes`"),
            (Options { timeouts, ..good.clone() }, "`silence`"),
            (Options { retry: Retry { cap: Duration::MAX, ..Retry::default() }, ..good }, "`cap`"),
        ];
        for (options, named) in wrong {
            let error = options.check().expect_err("out of range").to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
