//! The whole router: bodies, headers, paths.

use super::mutate::broken;
use super::{Place, explore};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use proofloop::serve::keys::Keys;
use proofloop::serve::{Peer, router};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::io::Write;
use tower::ServiceExt;

/// A valid body for every address that takes one. An address that is not there (yet) is a 404, which is an answer, too.
fn requests() -> Vec<(&'static str, Value)> {
    let python = json!({"id": 7, "kind": "python", "code": "x = 1", "setup": "", "tests": ["assert x == 1"]});
    let lean = json!({"id": "a", "kind": "lean", "header": "import Lean", "formal_statement": "theorem t : 1 = 1 := by", "completion": "\n  rfl"});
    let io = json!({"id": "c", "code": "print(1)", "tests": [{"stdin": "", "stdout": "1\n"}]});
    let eval = json!({"id": "d", "kind": "python", "prompt": "def f():", "completion": " pass", "test": "def check(c): pass", "entry_point": "f"});
    let batch = json!({"candidates": [lean, python, io, eval], "kind": "python", "deadline_ms": 1000});
    let snippet = json!({"id": "s", "code": "import Mathlib\n#check Nat"});
    let mut requests = vec![
        ("/v1/verify", batch.clone()),
        ("/v1/jobs", batch),
        (
            "/api/check",
            json!({"snippets": [snippet, {"id": "t", "code": ""}], "timeout": 30, "debug": false, "reuse": true, "infotree": "original"}),
        ),
        (
            "/api/check/",
            json!({"snippets": [snippet], "timeout": 0, "debug": true, "reuse": false, "infotree": null}),
        ),
        (
            "/verify",
            json!({"codes": [{"custom_id": 1, "proof": "#check 1"}, {"custom_id": "b", "code": "x", "proof": null}], "timeout": 60, "infotree_type": "full", "disable_cache": true}),
        ),
        (
            "/one_pass_verify_batch",
            json!({"codes": [{"custom_id": "x", "code": "theorem t : 1 = 1 := rfl"}], "timeout": 300}),
        ),
        (
            "/run_code",
            json!({"code": "print(1)", "language": "python", "compile_timeout": 1, "run_timeout": 0.5, "memory_limit_MB": 64, "stdin": "", "files": {"a": "eA=="}, "fetch_files": ["a"]}),
        ),
        ("/run_code", json!({"code": "#check 1", "language": "lean", "run_timeout": 10})),
    ];
    requests.extend(messages().into_iter().map(|message| ("/mcp", message)));
    requests
}

/// A valid message of each kind of MCP's.
pub(super) fn messages() -> Vec<Value> {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"}, "io.modelcontextprotocol/clientCapabilities": {}, "progressToken": 3});
    let call = |tool: &str, arguments: Value| json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    vec![
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {"roots": {"listChanged": true}}, "clientInfo": {"name": "x", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5, "reason": "x"}}),
        json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": null}}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": meta}}),
        json!({"jsonrpc": "2.0", "id": 3, "method": "subscriptions/listen", "params": {"_meta": meta, "notifications": {"toolsListChanged": true}}}),
        json!({"jsonrpc": "2.0", "id": 4, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}}),
        json!({"jsonrpc": "2.0", "id": 4, "method": "tasks/get", "params": {"taskId": "x"}}),
        json!({"jsonrpc": "2.0", "id": 4, "method": "logging/setLevel", "params": {"level": "debug"}}),
        json!({"jsonrpc": "2.0", "id": 4, "method": "completion/complete", "params": {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}}}),
        json!({"jsonrpc": "2.0", "id": 6, "result": {"content": []}}),
        json!({"jsonrpc": "2.0", "id": 6, "error": {"code": -1, "message": "x"}}),
        json!({"jsonrpc": "2.0", "id": 9, "method": "no/such", "params": [1, 2]}),
        call("verify_lean", json!({"formal_statement": "theorem t : 1 = 1 := by", "completion": "\n  rfl"})),
        call("run_python", json!({"code": "print(1)", "stdin": "x", "timeout_s": 1.5})),
        call("lean_diagnostics", json!({"code": "#check 1", "timeout_s": 1})),
    ]
}

/// What every answer has to be, whatever was asked.
async fn answer(place: &Place, request: Request<Body>) -> u16 {
    let told = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
    let path = request.uri().path().to_owned();
    let head = request.method() == Method::HEAD;
    let response = router(&place.app).oneshot(request).await.unwrap_or_else(|never| match never {});
    let (head_of, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let status = head_of.status.as_u16();
    let text = String::from_utf8_lossy(&body);
    assert!(status < 500 || status == 503, "{told}: {status} {text}");
    assert!(head_of.headers.contains_key("x-request-id"), "{told}: no name");
    let kind = head_of.headers.get("content-type").map(|kind| kind.to_str().expect("text").to_owned());
    let is_json = kind.as_deref().is_some_and(|kind| kind.starts_with("application/json"));
    if head {
        return status;
    }
    if status >= 400 {
        assert!(is_json, "{told}: {status} {kind:?} {text}");
        let value: Value =
            serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{told}: {error} {text}"));
        let ours = value["detail"].as_str().is_some_and(|text| !text.is_empty()) && value["code"].is_string();
        // FastAPI's clients want a list.
        let kiminas = value["detail"].as_array().is_some_and(|list| !list.is_empty());
        let rpc = path == "/mcp" && value["jsonrpc"] == "2.0" && value["error"]["code"].is_i64();
        assert!(ours || kiminas || rpc, "{told}: {status} {text}");
    } else if is_json {
        let value: Result<Value, _> = serde_json::from_slice(&body);
        assert!(value.is_ok(), "{told}: {text}");
    }
    status
}

fn post(path: &str, body: Vec<u8>) -> Request<Body> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().expect("a path");
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("accept", HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert("host", HeaderValue::from_static("127.0.0.1"));
    request.extensions_mut().insert(Peer(([127, 0, 0, 1], 4321).into()));
    request
}

#[test]
fn bodies() {
    let place = Place::new(None, |_| {});
    let (paths, values): (Vec<_>, Vec<_>) = requests().into_iter().unzip();
    // Each as it is, first: what is broken below is valid.
    for (path, value) in paths.iter().zip(&values) {
        let status = place.run(answer(&place, post(path, value.to_string().into_bytes())));
        assert!(status < 500 && status != 422, "{path} {value}: {status}");
    }
    let versions = select(vec![None, Some("2025-06-18"), Some("2025-11-25"), Some("2026-07-28"), Some("9")]);
    explore(&(broken(values), versions), |((which, body), version)| {
        let mut request = post(paths[which], body);
        if let Some(version) = version {
            request.headers_mut().insert("mcp-protocol-version", HeaderValue::from_static(version));
        }
        place.run(answer(&place, request));
    });
}

/// Headers that somebody reads, and some that nobody does.
const HEADERS: &[&str] = &[
    "authorization",
    "x-forwarded-for",
    "x-request-id",
    "accept",
    "content-type",
    "content-length",
    "host",
    "origin",
    "idempotency-key",
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
    "mcp-param-code",
    "last-event-id",
    "transfer-encoding",
    "expect",
    "connection",
    "cookie",
    "x-nobody",
];

const HEADER_VALUES: &[&str] = &[
    "",
    " ",
    "Bearer",
    "Bearer ",
    "bearer x",
    "Bearer Bearer x",
    "Basic eDp5",
    "application/json",
    "application/json;",
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
    "application/problem+json",
    "text/event-stream",
    "application/x-ndjson",
    "application/x-ndjson;q=0, */*",
    "*/*;q=\"",
    "text/html",
    "1.2.3.4, 5.6.7.8",
    "::1",
    ",,,",
    "999.1.1.1",
    "1.2.3.4:80",
    "localhost",
    "http://localhost",
    "null",
    "0",
    "-1",
    "99999999999999999999",
    "a,b",
    "\"",
    "2026-07-28",
    "2025-06-18",
    "initialize",
    "tools/call",
    "=?base64?!?=",
    "%00",
];

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let value = prop_oneof![
        6 => select(HEADER_VALUES).prop_map(HeaderValue::from_static),
        2 => vec(any::<u8>(), 0..60).prop_filter_map("a header", |bytes| HeaderValue::from_bytes(&bytes).ok()),
        1 => (1_usize..9000).prop_map(|length| HeaderValue::from_bytes(&vec![b'x'; length]).expect("a header")),
    ];
    (select(HEADERS).prop_map(HeaderName::from_static), value)
}

/// A key, and the keys that know it.
fn one_key() -> (String, Keys) {
    let (key, hash) = Keys::generate().expect("random numbers");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "one {hash}").expect("written");
    (key, Keys::read(file.path()).expect("keys"))
}

#[test]
fn headers() {
    let (key, keys) = one_key();
    let closed = Place::new(Some(keys), |_| {});
    let open = Place::new(None, |settings| settings.trust_forwarded = true);
    let requests = requests();
    let which = 0..requests.len();
    let keep = (any::<bool>(), any::<bool>(), any::<bool>());
    explore(&(which, vec(header(), 1..5), keep), |(which, headers, (keep, with_key, closed_one))| {
        let (path, value) = &requests[which];
        let mut request = post(path, value.to_string().into_bytes());
        if with_key {
            let key = HeaderValue::from_str(&format!("Bearer {key}")).expect("a header");
            request.headers_mut().insert("authorization", key);
        }
        for (name, value) in headers {
            if keep {
                request.headers_mut().append(name, value);
            } else {
                request.headers_mut().insert(name, value);
            }
        }
        let own_key = request
            .headers()
            .get("authorization")
            .is_some_and(|value| value.to_str().is_ok_and(|value| value.ends_with(&key)));
        let place = if closed_one { &closed } else { &open };
        let status = place.run(answer(place, request));
        let refused = closed_one && !own_key && status != 404;
        assert_eq!(status == 401, refused, "{path}: {status}");
    });
}

/// Addresses, and what may stand in the place of a name in one.
const PATHS: &[&str] = &[
    "/",
    "/v1/verify",
    "/v1/jobs",
    "/v1/jobs/NAME",
    "/v1/jobs/NAME/results",
    "/v1/toolchains",
    "/v1/state",
    "/v1/runs",
    "/v1/runs/NAME",
    "/v1/runs/NAME/report",
    "/metrics",
    "/healthz",
    "/readyz",
    "/health",
    "/docs",
    "/openapi.json",
    "/mcp",
    "/run_code",
    "/api/check",
    "/api/check/",
    "/verify",
    "/NAME",
    "//",
    "/v1/../v1/verify",
];

const NAMES: &[&str] = &[
    "",
    "x",
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "%2e%2e%2fetc%2fpasswd",
    "%00",
    "%ff",
    "%",
    "%zz",
    "%ed%a0%80",
    "a%20b",
    "é",
    "*",
    "'",
    "\"",
    "0",
    "-1",
    "a/b",
    ";x=1",
    "~",
    "{id}",
    ":id",
];

const QUERIES: &[&str] = &[
    "",
    "?",
    "?offset=0&limit=5",
    "?offset=-1",
    "?limit=99999999999999999999",
    "?limit=",
    "?limit=x",
    "?offset=1&offset=2",
    "?after=%ff",
    "?after=18446744073709551615",
    "?after=9223372036854775808&limit=10000",
    "?after=-1",
    "?%ff=1",
    "?a[]=1",
    "?limit=1e3",
    "?wait=1",
    "?from=18446744073709551615",
    "?from=-1&limit=0",
    "?&&&=",
];

/// The name of a job that there is.
async fn submitted(place: &Place) -> String {
    let (path, body) = requests().into_iter().find(|(path, _)| *path == "/v1/jobs").expect("jobs");
    let request = post(path, body.to_string().into_bytes());
    let response = router(&place.app).oneshot(request).await.unwrap_or_else(|never| match never {});
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    let job: Value = serde_json::from_slice(&body).expect("JSON");
    job["id"].as_str().unwrap_or_else(|| panic!("no job: {job}")).to_owned()
}

#[test]
fn paths() {
    let runs = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(runs.path().join("x")).expect("a directory that is no run");
    let place = Place::new(None, |settings| settings.runs = Some(runs.path().to_path_buf()));
    let methods = vec![
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ];
    let job = place.run(submitted(&place));
    let name = prop_oneof![4 => select(NAMES).prop_map(str::to_owned), 2 => Just(job), 1 => "[!-~]{0,40}"];
    let query = prop_oneof![4 => select(QUERIES).prop_map(str::to_owned), 1 => "\\?[!-~]{0,40}"];
    let shape = (select(methods), select(PATHS), name, query, any::<bool>());
    explore(&shape, |(method, path, name, query, body)| {
        let Ok(uri) = format!("{}{query}", path.replace("NAME", &name)).parse::<Uri>() else { return };
        let mut request = post("/", if body { b"{}".to_vec() } else { Vec::new() });
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        place.run(answer(&place, request));
    });
}

#[test]
fn the_file_of_keys() {
    let zeros = "0".repeat(64);
    let valid = format!("# who may ask\n\ntrainer {zeros} # since today\nother\t{}\n", "Ab".repeat(32));
    let cuts = vec(super::mutate::cut(), 0..4);
    let file = tempfile::NamedTempFile::new().expect("a file");
    explore(&(cuts, vec(any::<u8>(), 0..50), any::<bool>()), |(cuts, random, only_random)| {
        let mut bytes = if only_random { random } else { valid.clone().into_bytes() };
        cuts.iter().for_each(|cut| cut.apply(&mut bytes));
        std::fs::write(file.path(), &bytes).expect("written");
        match Keys::read(file.path()) {
            Ok(keys) => assert_eq!(keys.name_of("no key"), None),
            Err(error) => assert!(error.to_string().contains(&file.path().display().to_string()), "{error}"),
        }
    });
}
