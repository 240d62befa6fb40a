//! Pages that a browser shows must not reach a server by way of the person who looks at them.

use crate::serve::ServeError;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use std::net::IpAddr;

/// Refuses what a page of another origin sends; and, on a server that anybody on this machine may ask and nobody else can
/// reach, what a page sends that has made its own name mean this machine (DNS rebinding).
///
/// # Errors
/// [`ServeError::Forbidden`].
pub(super) fn check(headers: &HeaderMap, only_this_machine: bool) -> Result<(), ServeError> {
    let forbidden = |text: &str| Err(ServeError::Forbidden(text.to_owned()));
    let host = match headers.get(HOST) {
        None => None,
        Some(host) => match host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) {
            Some(host) => Some(host),
            None => return forbidden("the header `Host` is none"),
        },
    };
    if only_this_machine && host.as_ref().is_some_and(|host| !is_this_machine(host.host())) {
        return forbidden("the header `Host` must name this machine: `localhost` or an address");
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let same = origin.as_ref().and_then(Uri::authority).is_some_and(|origin| {
        host.as_ref().is_some_and(|host| origin.as_str().eq_ignore_ascii_case(host.as_str()))
    });
    if same { Ok(()) } else { forbidden("the header `Origin` names another origin than this server's") }
}

/// An address can't be made to mean another machine's; of names, only this one can't.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &str, origin: Option<&str>, only_this_machine: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("a header"));
        }
        check(&headers, only_this_machine).is_ok()
    }

    #[test]
    fn pages_of_others_are_refused() {
        for (host, origin, only_this_machine, expected) in [
            ("127.0.0.1:8000", None, true, true),
            ("localhost:8000", None, true, true),
            ("[::1]:8000", None, true, true),
            ("evil.example:8000", None, true, false),
            ("proofs.example", None, false, true),
            ("127.0.0.1:8000", Some("http://127.0.0.1:8000"), true, true),
            ("127.0.0.1:8000", Some("http://127.0.0.1:8001"), true, false),
            ("127.0.0.1:8000", Some("http://evil.example"), true, false),
            ("proofs.example", Some("https://proofs.example"), false, true),
            ("proofs.example", Some("https://evil.example"), false, false),
            ("proofs.example", Some("null"), false, false),
            ("evil.example:8000", Some("http://evil.example:8000"), true, false),
            ("a b", None, false, false),
        ] {
            assert_eq!(allowed(host, origin, only_this_machine), expected, "{host} {origin:?}");
        }
    }
}
