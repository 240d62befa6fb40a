//! The page at `/`: text in, verdict out, and what the server is doing. And the page at `/docs`, which draws the
//! description of the API.
//!
//! Everything is in the program and comes from this server; nothing is built. The files are served one by one, so that
//! the policy can forbid all that stands inside a page or comes from elsewhere. What a client sees of candidates is put in
//! as text, never as HTML.

use crate::serve::App;
use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

/// Scripts, styles, pictures and requests: only this server's own, and in no frame of another page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// A file of the pages.
#[derive(Debug, Clone, Copy)]
struct Asset {
    address: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 9] = [
    Asset { address: "/", kind: HTML, text: include_str!("index.html") },
    Asset { address: "/docs", kind: HTML, text: include_str!("docs.html") },
    Asset { address: "/page/style.css", kind: CSS, text: include_str!("style.css") },
    Asset { address: "/page/docs.css", kind: CSS, text: include_str!("docs.css") },
    Asset { address: "/page/common.js", kind: SCRIPT, text: include_str!("common.js") },
    Asset { address: "/page/verify.js", kind: SCRIPT, text: include_str!("verify.js") },
    Asset { address: "/page/state.js", kind: SCRIPT, text: include_str!("state.js") },
    Asset { address: "/page/docs.js", kind: SCRIPT, text: include_str!("docs.js") },
    Asset { address: "/page/icon.svg", kind: "image/svg+xml", text: include_str!("icon.svg") },
];

pub(super) fn routes() -> Router<Arc<App>> {
    ASSETS.into_iter().fold(Router::new(), |routes, asset| {
        routes.route(asset.address, get(move || async move { asset.answer() }))
    })
}

impl Asset {
    fn answer(self) -> impl IntoResponse {
        let headers = [
            (CONTENT_TYPE, self.kind),
            (CONTENT_SECURITY_POLICY, POLICY),
            // Another program at the same address has other files.
            (CACHE_CONTROL, "no-cache"),
            (HeaderName::from_static("referrer-policy"), "no-referrer"),
        ];
        (headers, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the policy would forbid would be found by a user.
    #[test]
    fn nothing_stands_inside_a_page_or_comes_from_elsewhere() {
        for asset in ASSETS {
            let text = asset.text;
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{}", asset.address);
            for inside in [
                " style=\"",
                "<style",
                " onclick",
                " onload",
                "javascript:",
                "<script>",
                "innerHTML",
                "eval(",
            ] {
                assert!(!text.contains(inside), "{}: {inside}", asset.address);
            }
        }
    }

    #[test]
    fn what_a_page_loads_is_there() {
        let addresses: Vec<&str> = ASSETS.iter().map(|asset| asset.address).collect();
        for asset in ASSETS {
            let loads = |words: &'static str| {
                asset.text.split(words).skip(1).filter_map(|rest| rest.split('"').next())
            };
            for address in loads("=\"/page/").chain(loads("from \"/page/")) {
                assert!(
                    addresses.contains(&format!("/page/{address}").as_str()),
                    "{}: {address}",
                    asset.address
                );
            }
        }
        assert!(ASSETS[0].text.contains("=\"/page/verify.js\""));
    }
}
