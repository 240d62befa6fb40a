//! Data-parallel replicas: threads that each build a graph of their own over the same weights.
//!
//! candle's element-wise operations use one core, so cores are used by micro-batches. Results are added in the order of
//! the micro-batches, so neither the number of replicas nor their timing changes a bit of the sum.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread::Builder;

use tokio_util::sync::CancellationToken;

use super::error::{Result, TrainError};

/// candle walks a graph recursively: a few hundred bytes for each of some thousand nodes.
const STACK_BYTES: usize = 32 << 20;

/// Runs `compute` for `0..jobs`, `replicas` at a time, and hands the results to `add` in order. False if it was cancelled
/// before all were done.
///
/// # Errors
/// The first of a computation in the order of the jobs, or of `add`; a thread cannot be started or panicked.
pub(super) fn in_order<T: Send>(
    jobs: usize,
    replicas: NonZeroUsize,
    cancel: &CancellationToken,
    compute: impl Fn(usize) -> Result<T> + Sync,
    mut add: impl FnMut(T) -> Result<()>,
) -> Result<bool> {
    for first in (0..jobs).step_by(replicas.get()) {
        if cancel.is_cancelled() {
            return Ok(false);
        }
        let last = first.saturating_add(replicas.get()).min(jobs);
        for result in round(first..last, &compute) {
            add(result?)?;
        }
    }
    Ok(!cancel.is_cancelled())
}

fn round<T: Send>(jobs: Range<usize>, compute: &(impl Fn(usize) -> Result<T> + Sync)) -> Vec<Result<T>> {
    std::thread::scope(|scope| {
        let start = |job: usize| {
            let builder = Builder::new().name(format!("replica-{job}")).stack_size(STACK_BYTES);
            builder.spawn_scoped(scope, move || compute(job))
        };
        let threads: Vec<_> = jobs.map(start).collect();
        let join = |thread: std::io::Result<std::thread::ScopedJoinHandle<'_, Result<T>>>| match thread {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_panic| Err(TrainError::Replica { problem: "panicked", source: None })),
            Err(source) => Err(TrainError::Replica { problem: "could not be started", source: Some(source) }),
        };
        threads.into_iter().map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not 0");

    #[test]
    fn results_come_in_order() {
        let mut seen = Vec::new();
        let add = |job| {
            seen.push(job);
            Ok(())
        };
        assert!(in_order(5, TWO, &CancellationToken::new(), Ok, add).expect("done"));
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_panic_and_a_cancellation_are_no_result() {
        let never = CancellationToken::new();
        let panics = |job| if job == 1 { panic!("on purpose") } else { Ok(job) };
        let error = in_order(3, TWO, &never, panics, |_| Ok(())).expect_err("a panic");
        assert_eq!(error.to_string(), "a replica panicked");
        let cancel = CancellationToken::new();
        let cancels = |job| {
            cancel.cancel();
            Ok(job)
        };
        let mut added = 0;
        let add = |_| {
            added += 1;
            Ok(())
        };
        assert!(!in_order(9, TWO, &cancel, cancels, add).expect("cancelled"));
        assert_eq!(added, 2);
    }
}
