//! SIGINT and SIGTERM, for commands that then end in order.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Hears SIGINT and SIGTERM from the moment it exists: one that comes before anybody waits is not lost, and does not
/// kill the process.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Starts to hear them. Inside a runtime only.
    pub(super) fn hear() -> Self {
        // Where the system does not let us hear them, they end the process, as is their default.
        Self(signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok()))
    }

    /// Returns on the next one; never, if the system does not let us hear of them.
    pub(super) async fn next(&mut self) {
        let Some((int, term)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
    }
}

/// A token that is cancelled on the first one. Inside a runtime only.
pub(super) fn cancellation() -> CancellationToken {
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    // Heard before the task runs: on a busy machine that can be much later than this command's first visible step.
    let mut signals = Signals::hear();
    tokio::spawn(async move {
        signals.next().await;
        on_signal.cancel();
    });
    cancel
}
