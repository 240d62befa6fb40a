//! Who asks: the owner of a key, or an address.

use super::App;
use super::error::ServeError;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The other end of the connection, put into every request by `listen.rs`.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Who asks, as limits and turns know him: the name of his key, or his address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client(pub Arc<str>);

/// Lets a request on if it has a key, where keys are needed, and says who asks.
///
/// # Errors
/// [`ServeError::MissingKey`], [`ServeError::InvalidKey`].
pub(super) async fn require_key(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ServeError> {
    let client = client(&app, request.headers(), request.extensions().get::<Peer>().copied())?;
    request.extensions_mut().insert(client);
    Ok(next.run(request).await)
}

fn client(app: &App, headers: &HeaderMap, peer: Option<Peer>) -> Result<Client, ServeError> {
    let Some(keys) = &app.keys else {
        let address = address(headers, peer, app.settings.trust_forwarded);
        return Ok(Client(address.map_or_else(|| "unknown".into(), |address| address.to_string().into())));
    };
    // The word `Bearer` is optional: Kimina's clients leave it out.
    let header = headers.get(AUTHORIZATION).ok_or(ServeError::MissingKey)?;
    let key = header.to_str().map_err(|_not_text| ServeError::InvalidKey)?.trim();
    let key = match key.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
        None if key.eq_ignore_ascii_case("bearer") => "",
        Some(_) | None => key,
    };
    if key.is_empty() {
        return Err(ServeError::MissingKey);
    }
    let name = keys.name_of(key).ok_or(ServeError::InvalidKey)?;
    Ok(Client(format!("key {name}").into()))
}

/// Behind a proxy that is trusted, the last address of `X-Forwarded-For`: the one that the proxy itself has added. What
/// stands before it, anybody can have written.
fn address(headers: &HeaderMap, peer: Option<Peer>, trust_forwarded: bool) -> Option<IpAddr> {
    let forwarded = || {
        let header = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        header.rsplit(',').next()?.trim().parse().ok()
    };
    trust_forwarded.then(forwarded).flatten().or(peer.map(|peer| peer.0.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_believed_only_where_it_is_trusted() {
        let peer = Some(Peer(SocketAddr::from(([10, 0, 0, 1], 1234))));
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 1.2.3.4".parse().expect("a header"));
        let text = |trusted| address(&headers, peer, trusted).map(|address| address.to_string());
        assert_eq!(text(false).as_deref(), Some("10.0.0.1"));
        assert_eq!(text(true).as_deref(), Some("1.2.3.4"));
        headers.insert("x-forwarded-for", "nonsense".parse().expect("a header"));
        assert_eq!(
            address(&headers, peer, true).map(|address| address.to_string()).as_deref(),
            Some("10.0.0.1")
        );
    }
}
