//! Connections: accepted, bounded in time and number, and ended in order.

use super::{App, Peer, router};
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// How long the head of a request may take to arrive.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// Connections at once; more of them wait to be accepted.
const CONNECTIONS: usize = 4096;

/// After a failure to accept (no file descriptors left, say), so long is waited.
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every request was answered.
    InOrder,
    /// Some were not, within the time that was given.
    Hurried,
}

/// Serves until `stop` is ready; then takes no more connections and requests, and waits for what is under way as long as
/// the settings say.
pub async fn serve(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()>) -> Stopped {
    let routes = router(&app);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, peer))) => {
                let served = connection(stream, peer, routes.clone(), &graceful);
                tokio::spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            (_, result) => {
                if let Err(error) = result {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                tokio::time::sleep(AFTER_A_FAILURE).await;
            }
        }
    }
    drop(listener);
    app.admission.drain();
    tracing::info!(under_way = app.admission.under_way(), "stopping");
    match tokio::time::timeout(app.settings.grace, graceful.shutdown()).await {
        Ok(()) => Stopped::InOrder,
        Err(_elapsed) => Stopped::Hurried,
    }
}

/// One connection, for as long as it lives.
fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: axum::Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    // Small answers are not to wait for more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let routes = routes.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let served = graceful.watch(served);
    async move {
        // A client that goes away in the middle is no news.
        if let Err(error) = served.await {
            tracing::debug!(%peer, %error, "a connection broke");
        }
    }
}
