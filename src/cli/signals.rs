//! SIGINT and SIGTERM, for commands that then end in order.

use tokio_util::sync::CancellationToken;

/// Returns on SIGINT or SIGTERM; never, if the system does not let us hear of them.
pub(super) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}

/// A token that is cancelled then.
pub(super) fn cancellation() -> CancellationToken {
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    tokio::spawn(async move {
        interrupted().await;
        on_signal.cancel();
    });
    cancel
}
