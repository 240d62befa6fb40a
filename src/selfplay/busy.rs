//! How much of the time generator and farm had something to do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Measures the time in which at least one piece of work was under way. Cheap to clone; clones measure together.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    since: Option<Instant>,
    busy: Duration,
}

/// A piece of work; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Meter);

impl Meter {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece of work begins.
    pub(super) fn begin(&self) -> Busy {
        let mut state = self.state();
        state.under_way += 1;
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        Busy(self.clone())
    }

    /// Busy time until now.
    pub(super) fn busy(&self) -> Duration {
        let state = self.state();
        state.busy + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        if state.under_way == 0
            && let Some(since) = state.since.take()
        {
            state.busy += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_side_by_side_counts_once() {
        let meter = Meter::default();
        let one = meter.begin();
        let other = meter.begin();
        std::thread::sleep(Duration::from_millis(20));
        drop(one);
        drop(other);
        let busy = meter.busy();
        assert!(busy >= Duration::from_millis(20));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(meter.busy(), busy, "nothing is under way");
    }
}
