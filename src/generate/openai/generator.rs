//! The run: calls under way, events told.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::call::{self, Report, Shared};
use super::options::Options;
use super::plan::Plan;
use super::transport::Transport;
use crate::generate::error::Result;
use crate::generate::{Boxed, Event, Generator, Identity, Request, Usage};

/// A server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp's, or a hosted one.
///
/// What such servers do differently, and what becomes of it here:
/// - Fewer samples in an answer than `n` (llama.cpp gives one): the others are asked for again, and after the second such
///   answer no more at once than the server has ever given. Where `n` is refused, one is asked for at a time.
/// - The tokens of a call are told as a sum. Those of each sample are known if the call gave one sample, or log-probabilities;
///   else [`Completion::tokens`](crate::generate::Completion::tokens) is 0.
/// - Log-probabilities are what the server gives: before the temperature in vLLM 1 and llama.cpp, after it in SGLang
///   unless it was started to do otherwise.
/// - `stop` as the reason for an end means both the end of the text and a stop string. vLLM and SGLang say which; where
///   nobody does, it is [`Stop`](crate::generate::FinishReason::Stop) if the request has stop strings.
/// - The same seed need not give the same samples: [`Identity::reproducible`] is false.
///
/// When everything ends with an error, nothing more is told of the samples that were under way.
///
/// The answer of a call that was cancelled or failed half-way may have cost tokens that [`Usage`] does not count.
pub struct OpenAiGenerator {
    options: Options,
    transport: Arc<Transport>,
}

impl OpenAiGenerator {
    /// Sets up the client; connects to nothing yet.
    ///
    /// # Errors
    /// An option is out of its range, or this machine has no certificates to trust and the server's URL is `https`.
    pub fn new(options: Options) -> Result<Self> {
        options.check()?;
        let transport = Arc::new(Transport::new(&options)?);
        Ok(Self { options, transport })
    }

    async fn run(
        &self,
        requests: Vec<Request>,
        events: mpsc::Sender<Event>,
        cancel: &CancellationToken,
    ) -> Result<Usage> {
        requests.iter().try_for_each(|request| request.sampling.check())?;
        let mut plan = Plan::new(&requests, self.options.samples_per_call.get());
        let shared = Arc::new(Shared {
            options: self.options.clone(),
            transport: Arc::clone(&self.transport),
            requests,
            takes_n: AtomicBool::new(false),
        });
        // Dropped with this future, and then their connections with them.
        let mut calls = JoinSet::new();
        let concurrency = self.options.concurrency.get();
        loop {
            while calls.len() < concurrency && !cancel.is_cancelled() {
                let Some(call) = plan.next() else { break };
                calls.spawn(call::run(Arc::clone(&shared), call, events.clone(), cancel.clone()));
            }
            let report = tokio::select! {
                () = events.closed() => return Ok(plan.usage()),
                joined = calls.join_next() => match joined {
                    Some(joined) => report(joined),
                    None => break,
                },
            };
            let Some(report) = report else { continue };
            for event in plan.settle(report)? {
                if events.send(event).await.is_err() {
                    return Ok(plan.usage());
                }
            }
        }
        for event in plan.cancel() {
            if events.send(event).await.is_err() {
                break;
            }
        }
        Ok(plan.usage())
    }
}

/// A call's report; none if the runtime is shutting down.
fn report(joined: Result<Report, tokio::task::JoinError>) -> Option<Report> {
    match joined {
        Ok(report) => Some(report),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_aborted) => None,
        },
    }
}

impl Generator for OpenAiGenerator {
    fn identity(&self) -> Identity {
        Identity { engine: "openai".to_owned(), model: self.options.model.clone(), reproducible: false }
    }

    fn generate<'a>(
        &'a self,
        requests: Vec<Request>,
        events: mpsc::Sender<Event>,
        cancel: &'a CancellationToken,
    ) -> Boxed<'a, Result<Usage>> {
        Box::pin(self.run(requests, events, cancel))
    }
}

impl fmt::Debug for OpenAiGenerator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OpenAiGenerator").field("options", &self.options).finish_non_exhaustive()
    }
}
