//! Work in pieces that several threads take one after another.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// `work(0), work(1), … work(jobs - 1)`, done by at most `threads` threads. The calling one is among them; a system that
/// has no more to give makes it slower and nothing else.
pub(super) fn map<T: Send>(jobs: usize, threads: NonZeroUsize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return done;
            }
            done.push((job, work(job)));
        }
    };
    let helpers = threads.get().min(jobs).saturating_sub(1);
    let mut done = std::thread::scope(|scope| {
        let start = |helper| Builder::new().name(format!("select-{helper}")).spawn_scoped(scope, run).ok();
        let helpers: Vec<_> = (0..helpers).filter_map(start).collect();
        let mut done = run();
        for helper in helpers {
            match helper.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|&(job, _)| job);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        for threads in [1, 2, 7] {
            let threads = NonZeroUsize::new(threads).expect("not 0");
            assert_eq!(map(100, threads, |job| job * 2), (0..100).map(|job| job * 2).collect::<Vec<_>>());
            assert!(map(0, threads, |job| job).is_empty());
        }
    }
}
