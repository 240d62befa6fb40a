//! What every generator does, and what it tells while it does it.

use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::{GenerateError, Result};
use super::request::Request;

/// A boxed future, so that generators can be kept behind `dyn`.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who generates: what a record of a run names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `candle`, or `openai` for whatever speaks that protocol.
    pub engine: String,
    /// The folder of the weights, or the model's name on the server.
    pub model: String,
    /// Whether the same request with the same seed gives the same completions on the same machine.
    pub reproducible: bool,
}

/// Why a completion ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it.
    EndOfText,
    /// A stop string came; it is not part of the text.
    Stop,
    /// [`Sampling::max_tokens`](super::Sampling::max_tokens), or the context, is full.
    Length,
    /// The caller cancelled; the text is what there was.
    Cancelled,
}

impl FinishReason {
    /// The stable name, as stores have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EndOfText => "end-of-text",
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// What follows the prompt, without the stop string.
    pub text: String,
    /// Why it ends there.
    pub finish: FinishReason,
    /// Tokens sampled, those of a stop string and of the end of text included; 0 if a server has not told them.
    pub tokens: usize,
    /// The tokens, where the generator knows them.
    pub token_ids: Option<Vec<u32>>,
    /// Natural logarithm of each sampled token's probability under the model as it is (temperature 1, nothing cut
    /// off), if they were asked for and the generator has them.
    pub log_probs: Option<Vec<f32>>,
}

/// What has been read and written, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Of the prompts, each counted once however many samples share it.
    pub prompt_tokens: u64,
    /// Sampled.
    pub completion_tokens: u64,
    /// Completions, cancelled ones left out.
    pub completions: u64,
    /// Requests that failed.
    pub failed_requests: u64,
    /// Of `completions`, those whose tokens are in no sum, because a server has not told them.
    #[serde(default)]
    pub uncounted_completions: u64,
}

/// What becomes of a request. `request` is its position in the list.
#[derive(Debug)]
pub enum Event {
    /// Text that was added to a sample; only if the request asked for it. Behind each other, a sample's pieces are its
    /// text.
    Piece {
        /// Position in the list.
        request: usize,
        /// From 0.
        sample: usize,
        /// Whole characters.
        text: String,
    },
    /// A sample is complete.
    Completed {
        /// Position in the list.
        request: usize,
        /// From 0.
        sample: usize,
        /// The sample.
        completion: Completion,
    },
    /// A request's remaining samples will not come. The others go on.
    Failed {
        /// Position in the list.
        request: usize,
        /// Samples that will not come.
        samples: Vec<usize>,
        /// Why.
        error: GenerateError,
    },
}

/// Completes prompts.
pub trait Generator: Send + Sync {
    /// Who it is.
    fn identity(&self) -> Identity;

    /// Completes all requests, and tells `events`, which holds it up when nobody listens (back-pressure). Every sample
    /// gets one [`Event::Completed`] or is in one [`Event::Failed`], also after a cancellation.
    /// When the receiver is dropped, that is a cancellation.
    ///
    /// # Errors
    /// What ends all requests: a setting out of its range, a device that fails, a server that refuses the key. What
    /// one request causes is its [`Event::Failed`].
    fn generate<'a>(
        &'a self,
        requests: Vec<Request>,
        events: mpsc::Sender<Event>,
        cancel: &'a CancellationToken,
    ) -> Boxed<'a, Result<Usage>>;
}
