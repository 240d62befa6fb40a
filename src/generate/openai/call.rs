//! One call: its attempts, and what becomes of each of its samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Choice, Usage};
use super::body::body;
use super::draft::{Draft, NotDone, never_begun};
use super::error::CallError;
use super::options::Options;
use super::retry::random;
use super::sse::Events;
use super::transport::{Failure, Reply, Transport};
use crate::generate::error::GenerateError;
use crate::generate::{Completion, Event, Request};

/// After the last event of a stream, the end of its body is waited for so long: then the connection can be used again.
const END_OF_BODY: Duration = Duration::from_millis(100);

/// Samples of one request that are asked for together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// Position in the list.
    pub(super) request: usize,
    /// In ascending order, at least one.
    pub(super) samples: Vec<usize>,
}

/// What all calls of a run have in common.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) transport: Arc<Transport>,
    pub(super) requests: Vec<Request>,
    /// The server has given more than one sample in an answer.
    pub(super) takes_n: AtomicBool,
}

/// What has become of a call.
pub(super) struct Report {
    pub(super) request: usize,
    pub(super) completed: Vec<(usize, Completion)>,
    /// Samples that are to be asked for again.
    pub(super) missing: Vec<usize>,
    pub(super) end: End,
    /// Samples asked for in the last attempt, and samples of which anything came.
    pub(super) asked: usize,
    pub(super) given: usize,
    /// The server takes no `n`.
    pub(super) refuses_n: bool,
    pub(super) usage: Option<Usage>,
}

/// How a call ended.
pub(super) enum End {
    /// With an answer, which may not hold all samples.
    Answered,
    /// By the caller; its samples are among the completed.
    Cancelled,
    /// Samples were begun, told, and lost.
    Broken { samples: Vec<usize>, error: GenerateError },
    /// The request cannot be completed.
    Failed { samples: Vec<usize>, error: GenerateError },
    /// Nothing can.
    Everything(GenerateError),
}

/// Why the attempts ended.
enum Outcome {
    Answered,
    Cancelled,
    Broken(CallError),
    Failed(GenerateError),
    Everything(GenerateError),
}

/// The samples so far; outside of the future that fetches them, so that it can be dropped at any time.
#[derive(Default)]
struct Progress {
    drafts: Vec<Draft>,
    usage: Option<Usage>,
}

/// Does a call to its end, or until it is cancelled. Then its connection is closed at once.
pub(super) async fn run(
    shared: Arc<Shared>,
    call: Call,
    events: mpsc::Sender<Event>,
    cancel: CancellationToken,
) -> Report {
    let mut progress = Progress::default();
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Outcome::Cancelled,
        outcome = attempts(&shared, &call, &events, &mut progress) => outcome,
    };
    progress.report(&call, shared.requests[call.request].stream, outcome)
}

async fn attempts(
    shared: &Shared,
    call: &Call,
    events: &mpsc::Sender<Event>,
    progress: &mut Progress,
) -> Outcome {
    let retry = shared.options.retry;
    let (mut asked, mut failed) = (call.samples.len(), 0);
    loop {
        progress.restart(asked, &shared.requests[call.request]);
        let attempt = attempt(shared, call, events, progress).await;
        failed += 1;
        let (error, wait) = match attempt {
            Ok(true) => return Outcome::Answered,
            Ok(false) => return Outcome::Cancelled,
            Err(Failure::Attempt(error, wait)) => (error, wait),
            Err(Failure::Everything(error)) => return Outcome::Everything(error),
            Err(Failure::Call(source)) => {
                return Outcome::Failed(GenerateError::NoAnswer { attempts: failed, source });
            }
            Err(Failure::Rejected { status, message }) => {
                let may_be_n = matches!(status, 400 | 422) && !shared.takes_n.load(Ordering::Relaxed);
                if asked == 1 || !may_be_n || progress.is_told() {
                    return Outcome::Failed(GenerateError::Rejected { status, message });
                }
                tracing::debug!(status, message, "rejected; asking for one sample instead of {asked}");
                (asked, failed) = (1, 0);
                continue;
            }
        };
        if progress.is_told() {
            return Outcome::Broken(error);
        }
        if failed >= retry.attempts.get() {
            return given_up(shared, failed, error);
        }
        let wait = retry.wait(failed, wait, random());
        tracing::debug!(error = %chain(&error), failed, ?wait, request = call.request, "trying again");
        tokio::time::sleep(wait).await;
    }
}

fn given_up(shared: &Shared, attempts: u32, source: CallError) -> Outcome {
    if source.is_connect() && !shared.transport.has_answered() {
        let url = shared.transport.endpoint().to_owned();
        return Outcome::Everything(GenerateError::Unreachable { url, source });
    }
    Outcome::Failed(GenerateError::NoAnswer { attempts, source })
}

/// The error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// One attempt; false if nobody listens any more.
async fn attempt(
    shared: &Shared,
    call: &Call,
    events: &mpsc::Sender<Event>,
    progress: &mut Progress,
) -> Result<bool, Failure> {
    let request = &shared.requests[call.request];
    let body = body(&shared.options, request, call.samples[0], progress.drafts.len())
        .map_err(|error| Failure::Call(CallError::Malformed(error)))?;
    let mut reply = shared.transport.post(body).await?;
    if request.stream && reply.is_stream() {
        if !stream(shared, call, events, progress, &mut reply).await? {
            return Ok(false);
        }
    } else {
        progress.fill(read(shared, &reply.whole().await?)?);
    }
    progress.check()?;
    if progress.given() > 1 {
        shared.takes_n.store(true, Ordering::Relaxed);
    }
    if request.stream { tell(call, events, progress).await } else { Ok(true) }
}

/// An answer or an event, unless it is an error.
fn read(shared: &Shared, json: &[u8]) -> Result<Answer, Failure> {
    let answer: Answer = serde_json::from_slice(json).map_err(CallError::Malformed)?;
    match answer.error(shared.transport.key()) {
        None => Ok(answer),
        Some((Some(status @ (400 | 404 | 413 | 422)), message)) => Err(Failure::Rejected { status, message }),
        Some((_, message)) => Err(CallError::GaveUp { message }.into()),
    }
}

/// Reads a stream to its end and tells what comes; false if nobody listens any more.
async fn stream(
    shared: &Shared,
    call: &Call,
    events: &mpsc::Sender<Event>,
    progress: &mut Progress,
    reply: &mut Reply,
) -> Result<bool, Failure> {
    let mut parser = Events::new(shared.options.max_body_bytes);
    let (mut bytes, mut data) = (Vec::new(), Vec::new());
    while reply.next(&mut bytes).await? {
        parser.push(&bytes, &mut data)?;
        bytes.clear();
        for event in data.drain(..) {
            if event.trim_ascii() == b"[DONE]" {
                let _reusable = tokio::time::timeout(END_OF_BODY, reply.next(&mut bytes)).await;
                return Ok(true);
            }
            progress.add(read(shared, &event)?);
        }
        let before = Instant::now();
        if !tell(call, events, progress).await? {
            return Ok(false);
        }
        reply.extend(before.elapsed());
    }
    if progress.is_finished() { Ok(true) } else { Err(CallError::Truncated.into()) }
}

/// Tells the text that is new; false if nobody listens any more.
async fn tell(call: &Call, events: &mpsc::Sender<Event>, progress: &mut Progress) -> Result<bool, Failure> {
    for (sample, draft) in call.samples.iter().zip(&mut progress.drafts) {
        if let Some(text) = draft.untold() {
            let piece = Event::Piece { request: call.request, sample: *sample, text: text.to_owned() };
            if events.send(piece).await.is_err() {
                return Ok(false);
            }
            draft.told();
        }
    }
    Ok(true)
}

impl Progress {
    fn restart(&mut self, asked: usize, request: &Request) {
        let stops: Arc<[String]> = request.sampling.stop.clone().into();
        self.drafts = (0..asked).map(|_| Draft::new(&request.sampling, Arc::clone(&stops))).collect();
        self.usage = None;
    }

    /// Takes an answer in one piece. Its choices are numbered by their order: some servers give all of them index 0.
    fn fill(&mut self, answer: Answer) {
        self.usage = answer.usage;
        let mut choices: Vec<Choice> = answer.choices.unwrap_or_default();
        choices.sort_by_key(|choice| choice.index);
        self.drafts.iter_mut().zip(choices).for_each(|(draft, choice)| draft.add(choice));
    }

    /// Takes an event of a stream.
    fn add(&mut self, answer: Answer) {
        self.usage = answer.usage.or(self.usage);
        for choice in answer.choices.unwrap_or_default() {
            if let Some(draft) = self.drafts.get_mut(choice.index.unwrap_or(0)) {
                draft.add(choice);
            }
        }
    }

    /// Everything has come: is it an answer?
    fn check(&mut self) -> Result<(), Failure> {
        if self.given() == 0 {
            return Err(CallError::NoChoices.into());
        }
        let tokens = self.tokens_of_one();
        for draft in self.drafts.iter_mut().filter(|draft| draft.is_seen()) {
            draft.end();
            match draft.finish(tokens) {
                Ok(_) => {}
                Err(NotDone::GaveUp(error)) => return Err(error.into()),
                Err(NotDone::Withheld) => {
                    let message = "its content filter withholds a sample".to_owned();
                    return Err(Failure::Rejected { status: 200, message });
                }
            }
        }
        Ok(())
    }

    fn given(&self) -> usize {
        self.drafts.iter().filter(|draft| draft.is_seen()).count()
    }

    fn is_told(&self) -> bool {
        self.drafts.iter().any(Draft::is_told)
    }

    /// All that was begun is finished.
    fn is_finished(&self) -> bool {
        let mut seen = self.drafts.iter().filter(|draft| draft.is_seen()).peekable();
        seen.peek().is_some() && seen.all(Draft::is_finished)
    }

    /// The tokens of the only sample there is. Of several the server tells but the sum.
    fn tokens_of_one(&self) -> Option<usize> {
        let tokens = self.usage.filter(|_| self.given() == 1)?.completion_tokens?;
        usize::try_from(tokens).ok()
    }

    fn report(self, call: &Call, is_stream: bool, outcome: Outcome) -> Report {
        let tokens = self.tokens_of_one();
        let (asked, given, usage) = (self.drafts.len(), self.given(), self.usage);
        let is_answered = matches!(outcome, Outcome::Answered);
        let (mut completed, mut missing, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        let drafts = self.drafts.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        for (&sample, draft) in call.samples.iter().zip(drafts) {
            // What broke off may have left text in the last bytes that nobody was told.
            let is_whole = |draft: &Draft| draft.is_finished() && (!is_stream || draft.untold().is_none());
            let is_done = |draft: &&Draft| draft.is_seen() && (is_answered || is_whole(draft));
            let finish = draft.as_ref().filter(is_done).and_then(|draft| draft.finish(tokens).ok());
            match (draft, finish, &outcome) {
                (Some(draft), Some(finish), _) => completed.push((sample, draft.complete(finish, tokens))),
                (draft, _, Outcome::Cancelled) => {
                    completed.push((sample, draft.map_or_else(never_begun, Draft::cancelled)));
                }
                (Some(draft), _, Outcome::Broken(_)) if draft.is_told() => lost.push(sample),
                (_, _, Outcome::Answered | Outcome::Broken(_)) => missing.push(sample),
                (_, _, Outcome::Failed(_) | Outcome::Everything(_)) => lost.push(sample),
            }
        }
        let refuses_n = is_answered && asked < call.samples.len();
        let end = match outcome {
            Outcome::Answered => End::Answered,
            Outcome::Cancelled => End::Cancelled,
            Outcome::Broken(source) => {
                End::Broken { samples: lost, error: GenerateError::Interrupted { source } }
            }
            Outcome::Failed(error) => End::Failed { samples: lost, error },
            Outcome::Everything(error) => End::Everything(error),
        };
        Report { request: call.request, completed, missing, end, asked, given, refuses_n, usage }
    }
}
