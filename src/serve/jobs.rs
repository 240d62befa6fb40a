//! Jobs: batches that a client need not wait for, and that outlive the server.
//!
//! A job is on disk before its client hears that it was accepted, and each answer before it can be asked for. A server
//! that starts over a directory of jobs goes on with the items that have no answer. What was not answered when a server
//! stopped stays open: nothing is written for it.

use super::App;
use super::error::ServeError;
use super::v1::Item;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proofloop_datasets::store::{Job, JobResult, JobStore, NewJob, StoreError};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Jobs that are not open are forgotten after so long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The directory of jobs can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// It can't be made or written.
    #[error("cannot keep jobs in `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another server has it.
    #[error("another server keeps its jobs in `{}`", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// The store.
    #[error("the jobs can't be read")]
    Store(#[from] StoreError),
}

/// The jobs of a server.
#[derive(Debug)]
pub struct Jobs {
    store: Arc<Mutex<JobStore>>,
    /// What ends the work on a job, for those that are under way.
    under_way: Mutex<HashMap<String, CancellationToken>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Held as long as the server lives; the kernel lets go of it with the process.
    _lock: File,
}

/// A job that was asked for.
pub(super) struct Asked {
    pub(super) client: String,
    pub(super) idempotency_key: Option<String>,
    /// The request, as [`Item::of_text`] reads it again.
    pub(super) body: String,
    pub(super) items: Vec<Item>,
    pub(super) deadline: Option<Duration>,
}

impl Jobs {
    /// Opens the directory of jobs, or makes it.
    ///
    /// # Errors
    /// [`JobsError`].
    pub fn open(directory: &Path) -> Result<Self, JobsError> {
        let io = |source| JobsError::Directory { path: directory.to_path_buf(), source };
        std::fs::create_dir_all(directory).map_err(io)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(JobsError::Taken { path: directory.to_path_buf() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut store = JobStore::open(&directory.join("jobs.sqlite"))?;
        store.forget_before(now_unix_ms().saturating_sub(millis(KEPT)))?;
        Ok(Self {
            store: Arc::new(Mutex::new(store)),
            under_way: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            _lock: lock,
        })
    }

    /// Goes on with the jobs that an earlier server has left open.
    ///
    /// # Errors
    /// [`JobsError::Store`].
    pub fn resume(&self, app: &Arc<App>) -> Result<usize, JobsError> {
        let open = lock(&self.store).open_jobs()?;
        let count = open.len();
        for (job, body) in open {
            match Item::of_text(&body) {
                Ok((items, deadline)) => {
                    let answered = lock(&self.store).answered(&job.id)?;
                    self.start(app, job, items, deadline, answered.into_iter().collect());
                }
                // Whoever accepted it could read it: another version has written it. It stays where it is.
                Err(error) => tracing::error!(job = %job.id, %error, "a job can't be read"),
            }
        }
        Ok(count)
    }

    /// Keeps a job and starts it, or finds the one that the client has asked for under the same idempotency key.
    pub(super) async fn submit(&self, app: &Arc<App>, asked: Asked) -> Result<Job, ServeError> {
        let id = new_id()?;
        let Asked { client, idempotency_key, body, items, deadline } = asked;
        let count = items.len();
        let job = self
            .with_store(move |store| {
                let new = NewJob {
                    id: &id,
                    client: &client,
                    idempotency_key: idempotency_key.as_deref(),
                    body: &body,
                    items: count,
                    created_unix_ms: now_unix_ms(),
                };
                let known = store.add(&new)?;
                let is_new = known.is_none();
                Ok(store.get(known.as_ref().unwrap_or(&id))?.map(|job| (job, is_new)))
            })
            .await?;
        let (job, is_new) = job.ok_or(ServeError::Internal)?;
        if is_new {
            self.start(app, job.clone(), items, deadline, BTreeSet::new());
        }
        Ok(job)
    }

    fn start(
        &self,
        app: &Arc<App>,
        job: Job,
        items: Vec<Item>,
        deadline: Option<Duration>,
        answered: BTreeSet<usize>,
    ) {
        let cancel = self.stop.child_token();
        self.under_way().insert(job.id.clone(), cancel.clone());
        let app = Arc::clone(app);
        self.tasks.spawn(async move {
            let left = deadline.map(|limit| time_left(job.created_unix_ms, limit));
            let span = tracing::info_span!("job", id = %job.id, items = items.len());
            let work = answer_all(&app, &job, items, answered, left);
            let work = tracing::Instrument::instrument(work, span);
            tokio::select! {
                () = work => {}
                () = cancel.cancelled() => {}
            }
            app.jobs.under_way().remove(&job.id);
        });
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many jobs are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        self.under_way().len()
    }

    /// A job by its name.
    pub(super) async fn get(&self, id: String) -> Result<Option<Job>, ServeError> {
        self.with_store(move |store| store.get(&id)).await
    }

    /// A client's latest jobs; everybody's for `None`.
    pub(super) async fn latest(&self, client: Option<String>, limit: usize) -> Result<Vec<Job>, ServeError> {
        self.with_store(move |store| store.latest(client.as_deref(), limit)).await
    }

    /// Answers of a job behind a sequence number.
    pub(super) async fn results(
        &self,
        id: String,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JobResult>, ServeError> {
        self.with_store(move |store| store.results(&id, after, limit)).await
    }

    /// Gives a job up, and what is under way for it.
    pub(super) async fn cancel(&self, id: String) -> Result<Option<Job>, ServeError> {
        let name = id.clone();
        let job = self
            .with_store(move |store| {
                store.cancel(&name)?;
                store.get(&name)
            })
            .await?;
        if let Some(cancel) = self.under_way().remove(&id) {
            cancel.cancel();
        }
        Ok(job)
    }

    /// Stops working on jobs, and waits until none is worked on. They stay open.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Reads or writes on a thread where waiting for the disk holds nobody up.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut JobStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ServeError> {
        let store = Arc::clone(&self.store);
        let result = tokio::task::spawn_blocking(move || work(&mut lock(&store))).await;
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let chain = anyhow::Error::new(error);
                tracing::error!(error = format!("{chain:#}"), "the jobs can't be read or written");
                Err(ServeError::Internal)
            }
            Err(panic) => {
                tracing::error!(%panic, "the store of jobs failed");
                Err(ServeError::Internal)
            }
        }
    }
}

/// Judges the items that have no answer, and keeps each answer.
async fn answer_all(
    app: &Arc<App>,
    job: &Job,
    items: Vec<Item>,
    answered: BTreeSet<usize>,
    left: Option<Duration>,
) {
    let deadline = left.map(|left| tokio::time::Instant::now() + left);
    let mut judging: FuturesUnordered<_> = items
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !answered.contains(index))
        .map(|(index, item)| async move {
            let judged = item.judge(app, &job.client);
            let report = match deadline {
                None => judged.await,
                Some(deadline) => tokio::time::timeout_at(deadline, judged)
                    .await
                    .unwrap_or_else(|_elapsed| item.cancelled()),
            };
            (index, report)
        })
        .collect();
    while let Some((index, report)) = judging.next().await {
        let id = job.id.clone();
        let kept = app.jobs.with_store(move |store| store.answer(&id, index, &report)).await;
        if kept.is_err() {
            // It is in the log. The job stays open, and the next server goes on with it.
            return;
        }
    }
    tracing::info!("the job is done");
}

fn lock(store: &Mutex<JobStore>) -> MutexGuard<'_, JobStore> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name that nobody can guess: whoever knows it may ask for the job.
fn new_id() -> Result<String, ServeError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        ServeError::Internal
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn now_unix_ms() -> u64 {
    millis(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is left of a job's time, which begins when it is accepted and goes on while no server runs.
fn time_left(created_unix_ms: u64, limit: Duration) -> Duration {
    limit.saturating_sub(Duration::from_millis(now_unix_ms().saturating_sub(created_unix_ms)))
}
