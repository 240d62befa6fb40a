//! `/openapi.json`: the description of the API, made of the types that are sent and of the comments in this code. `/docs`
//! draws it.

use super::App;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::routing::get;
use std::sync::Arc;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Info, OpenApi, SecurityRequirement};

/// What the key is called in the description.
const SCHEME: &str = "key";

const DESCRIPTION: &str = "Judges Lean proofs and Python programs. Every verdict says how far its evidence goes, \
    what it cost, who judged, and what protected the machine meanwhile. An answer that is an error has the \
    body `{\"detail\", \"code\"}`: `detail` is for people, `code` for programs.";

/// The parts of the API, in the order in which they are shown. One that nothing has is left out.
const TAGS: [(&str, &str); 5] = [
    ("v1", "Our own addresses: verdicts, jobs, the server's state, runs."),
    ("kimina", "As clients of Kimina Lean Server know them."),
    ("sandbox-fusion", "As clients of SandboxFusion know them."),
    ("mcp", "For agents."),
    ("operations", "For operators and load balancers. No key is needed."),
];

/// Says of all operations that they want a key, or, where the server has none, that they don't mind one.
pub(super) fn ask_for_keys(api: &mut OpenApi, needed: bool) {
    let mut security = vec![SecurityRequirement::new(SCHEME, [""; 0])];
    if !needed {
        security.push(SecurityRequirement::default());
    }
    for (_, operation) in api.paths.paths.values_mut().flat_map(operations) {
        operation.security = Some(security.clone());
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("options", &mut item.options),
        ("head", &mut item.head),
        ("patch", &mut item.patch),
        ("trace", &mut item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What a generated client calls an operation: `post_v1_verify`. The names of our functions may be there twice.
fn id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// The description as it is served.
fn finished(mut api: OpenApi) -> OpenApi {
    api.info = Info::new("proofloop", env!("CARGO_PKG_VERSION"));
    api.info.description = Some(DESCRIPTION.to_owned());
    // The addresses are those of the server that is asked, wherever a proxy has it.
    api.servers = None;
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(id(method, path));
        }
    }
    let used: Vec<String> = api
        .paths
        .paths
        .values_mut()
        .flat_map(operations)
        .flat_map(|(_, operation)| operation.tags.clone().unwrap_or_default())
        .collect();
    let known = TAGS.into_iter().filter(|(name, _)| used.iter().any(|used| used == name));
    let tag = |(name, text): (&str, &str)| TagBuilder::new().name(name).description(Some(text)).build();
    api.tags = Some(known.map(tag).collect());
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A key of this server's. The word `Bearer` may be left out."))
        .build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(key));
    api
}

/// The description under the addresses where it is looked for.
pub(super) fn routes(api: OpenApi) -> Router<Arc<App>> {
    // Made of texts and numbers: nothing that has no JSON.
    let text = Bytes::from(serde_json::to_vec(&finished(api)).unwrap_or_default());
    let answer = move || {
        let text = text.clone();
        // It is the same for everybody, and tools of other origins may read it.
        async move { ([(CONTENT_TYPE, "application/json"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text) }
    };
    Router::new().route("/openapi.json", get(answer.clone())).route("/api/openapi.json", get(answer))
}
