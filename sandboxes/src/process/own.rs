//! What this process itself has used; for what runs in the sandbox, see [`Usage`](super::Usage).

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// User + system time of all threads of this process since it began, those that have ended included, without its
/// children.
///
/// # Errors
/// The kernel has no such clock.
pub fn own_cpu() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?))
}

/// User + system time of the calling thread since it began.
///
/// # Errors
/// The kernel has no such clock.
pub fn own_thread_cpu() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}
