//! A long-lived program to talk with.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use super::driver::{Driver, Feed};
use super::outcome::{Finished, StartError, Usage};
use super::policy::Protection;

/// Chunks of output that wait for the caller; then the program's pipe fills, and it waits.
const CHUNKS_WAITING: usize = 16;

/// What the session asks of its driver.
pub(super) enum Request {
    Write(Vec<u8>, oneshot::Sender<std::io::Result<()>>),
    CloseStdin,
    Usage(oneshot::Sender<Usage>),
    Kill,
}

/// The session's ends of the channels to its driver.
pub(super) struct Ends {
    requests: mpsc::Sender<Request>,
    chunks: mpsc::Receiver<Vec<u8>>,
}

/// The program does not take or give anything any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The program has ended.
    #[error("the program has ended")]
    Ended,
    /// The program has closed its standard input, or it was closed by us.
    #[error("cannot write to the program")]
    Write(#[source] std::io::Error),
}

/// A running program. Dropping it kills the whole tree.
#[derive(Debug)]
pub struct Session {
    requests: mpsc::Sender<Request>,
    chunks: mpsc::Receiver<Vec<u8>>,
    task: JoinHandle<Result<Finished, StartError>>,
    protection: Protection,
    /// A usage that was asked for and not yet taken.
    asked: Option<oneshot::Receiver<Usage>>,
}

impl Session {
    pub(super) fn channels(first_input: Vec<u8>) -> (Feed, Ends) {
        let (requests, request_queue) = mpsc::channel(1);
        let (chunk_sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        (
            Feed::Session { first_input, requests: request_queue, chunks: chunk_sender },
            Ends { requests, chunks },
        )
    }

    pub(super) fn new(driver: Driver, ends: Ends) -> Self {
        let protection = driver.protection().clone();
        let Ends { requests, chunks } = ends;
        Self { requests, chunks, task: tokio::spawn(driver.run()), protection, asked: None }
    }

    /// What the program is confined by.
    #[must_use]
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Writes all of `bytes` to the program's standard input; waits while the program does not read.
    /// Dropping the future may leave a part of them written.
    ///
    /// # Errors
    /// The program has ended or closed its input.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request::Write(bytes.to_vec(), reply))
            .await
            .map_err(|_closed| SessionError::Ended)?;
        answer.await.map_err(|_closed| SessionError::Ended)?.map_err(SessionError::Write)
    }

    /// Ends the program's standard input after what was written.
    ///
    /// # Errors
    /// The program has ended.
    pub async fn close_stdin(&mut self) -> Result<(), SessionError> {
        self.requests.send(Request::CloseStdin).await.map_err(|_closed| SessionError::Ended)
    }

    /// The next piece of the program's standard output; `None` at its end. Dropping the future loses
    /// nothing.
    pub async fn read(&mut self) -> Option<Vec<u8>> {
        self.chunks.recv().await
    }

    /// What the tree has used so far, or had used when that was [asked for](Self::ask_usage). Dropping the future leaves
    /// the question asked.
    ///
    /// # Errors
    /// The program has ended.
    pub async fn usage(&mut self) -> Result<Usage, SessionError> {
        self.ask_usage().await?;
        let answer = match self.asked.as_mut() {
            Some(asked) => asked.await,
            None => return Err(SessionError::Ended),
        };
        self.asked = None;
        answer.map_err(|_closed| SessionError::Ended)
    }

    /// Asks for [`usage`](Self::usage) without waiting for the answer, which the next call of that takes.
    ///
    /// # Errors
    /// The program has ended.
    pub async fn ask_usage(&mut self) -> Result<(), SessionError> {
        if self.asked.is_none() {
            let (reply, answer) = oneshot::channel();
            self.requests.send(Request::Usage(reply)).await.map_err(|_closed| SessionError::Ended)?;
            self.asked = Some(answer);
        }
        Ok(())
    }

    /// Kills the tree at once. If the program had ended before, its own outcome is returned, else
    /// [`Outcome::Cancelled`](super::Outcome::Cancelled).
    ///
    /// # Errors
    /// The sandbox itself failed.
    pub async fn kill(self) -> Result<Finished, StartError> {
        self.requests.send(Request::Kill).await.ok(); // an ended driver has its result ready
        self.finish().await
    }

    /// Closes the program's input, discards its further output and waits for its end.
    ///
    /// # Errors
    /// The sandbox itself failed.
    pub async fn wait(mut self) -> Result<Finished, StartError> {
        self.close_stdin().await.ok(); // as above
        self.finish().await
    }

    /// As [`wait`](Self::wait), but what has not ended after `limit` is killed, with the outcome
    /// [`Outcome::Cancelled`](super::Outcome::Cancelled).
    ///
    /// # Errors
    /// The sandbox itself failed.
    pub async fn wait_at_most(mut self, limit: Duration) -> Result<Finished, StartError> {
        self.close_stdin().await.ok(); // as above
        let Self { requests, chunks, mut task, protection: _, asked: _ } = self;
        drop(chunks);
        let result = match timeout(limit, &mut task).await {
            Ok(result) => result,
            Err(_elapsed) => {
                requests.send(Request::Kill).await.ok(); // as above
                task.await
            }
        };
        drop(requests); // as in `finish`
        flatten(result)
    }

    async fn finish(self) -> Result<Finished, StartError> {
        let Self { requests, chunks, task, protection: _, asked: _ } = self;
        drop(chunks);
        let result = task.await;
        drop(requests); // until here: the driver takes a closed channel for a dropped session
        flatten(result)
    }
}

/// A driver that panicked is a helper that failed.
fn flatten(result: Result<Result<Finished, StartError>, JoinError>) -> Result<Finished, StartError> {
    result.unwrap_or_else(|e| Err(StartError::Helper { detail: format!("the driving task failed: {e}") }))
}
