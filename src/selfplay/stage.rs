//! The stages of a run: each is done once, and what it has made goes into the store in one transaction.

use super::error::{Result, SelfPlayError};
use super::event::{Event, PlannedStage};
use super::run::Equipment;
use proofloop_datasets::store::{RunStore, StageKey, StageWrites};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The store of a run, what is finished in it, and who hears of it.
pub(crate) struct Stages<'a> {
    store: Arc<Mutex<RunStore>>,
    equipment: &'a Equipment,
}

/// A stage that is to be done now.
pub(crate) struct Stage<'a> {
    iteration: u32,
    name: &'a str,
    started: Instant,
}

impl<'a> Stages<'a> {
    pub(crate) fn new(store: Arc<Mutex<RunStore>>, equipment: &'a Equipment) -> Self {
        Self { store, equipment }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, RunStore> {
        // A panic elsewhere left no transaction open: each is one call.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, event: Event) {
        self.equipment.listener.tell(event);
    }

    /// The stage, unless it is finished.
    pub(crate) fn begin<'b>(
        &self,
        iteration: u32,
        name: &'b str,
        total_samples: Option<u64>,
    ) -> Result<Option<Stage<'b>>> {
        if self.equipment.cancel.is_cancelled() {
            return Err(SelfPlayError::Interrupted);
        }
        if self.store().stage(StageKey { iteration, stage: name })?.is_some() {
            return Ok(None);
        }
        self.tell(Event::StageStarted { iteration, stage: name.to_owned(), total_samples });
        Ok(Some(Stage { iteration, name, started: Instant::now() }))
    }

    /// Commits what a stage has made.
    pub(crate) fn finish(&self, stage: &Stage<'_>, mut writes: StageWrites, summary: String) -> Result<()> {
        let Stage { iteration, name, started } = stage;
        let elapsed = started.elapsed();
        writes.wall_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.store().finish_stage(StageKey { iteration: *iteration, stage: name }, &writes)?;
        let (iteration, stage) = (*iteration, (*name).to_owned());
        self.tell(Event::StageFinished { iteration, stage, seconds: elapsed.as_secs_f64(), summary });
        Ok(())
    }

    /// Those of `all` that are still to be done.
    pub(crate) fn left(&self, all: Vec<PlannedStage>) -> Result<Vec<PlannedStage>> {
        let store = self.store();
        let mut left = Vec::new();
        for planned in all {
            let PlannedStage { iteration, stage } = &planned;
            if store.stage(StageKey { iteration: *iteration, stage })?.is_none() {
                left.push(planned);
            }
        }
        Ok(left)
    }
}
