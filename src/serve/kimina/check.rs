//! From snippets to results: at once, each by itself, in the order of the request.

use super::convert::{self, Times};
use super::strict;
use super::wire::{
    CheckRequest, CheckResponse, CheckResult, Code, Diagnostics, Health, Reply, TimedReply, VerifyRequest,
    VerifyResponse, VerifyResult,
};
use crate::serve::error::{ErrorBody, FieldErrorBody};
use crate::serve::pydantic::ModelBody;
use crate::serve::{App, Client, ServeError};
use axum::extract::State;
use axum::{Extension, Json};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proofloop_verifiers::candidate::Kind;
use proofloop_verifiers::lean::repl::protocol::{CommandResponse, InfotreeKind, Pos};
use proofloop_verifiers::lean::snippet::{Answer, Elaborated, Snippet, SnippetError};
use std::sync::Arc;
use std::time::Duration;

/// What is asked of every snippet of a request.
#[derive(Debug, Clone, Copy)]
struct Options {
    timeout: Duration,
    debug: bool,
    reuse: bool,
    infotree: Option<InfotreeKind>,
}

/// What became of one snippet.
struct Told {
    reply: Result<Reply, String>,
    time: Duration,
    diagnostics: Option<Diagnostics>,
}

/// Elaborates snippets; the form of Kimina Lean Server 2. One that fails has an `error`; the others have their answers.
#[utoipa::path(post, path = "/api/check", tag = "kimina", request_body = CheckRequest, responses(
    (status = 200, body = CheckResponse), (status = 401, body = ErrorBody), (status = 413, body = ErrorBody),
    (status = 422, body = FieldErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn check(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    ModelBody(request): ModelBody<CheckRequest>,
) -> Result<Json<CheckResponse>, ServeError> {
    request.check()?;
    let options = Options {
        timeout: Duration::from_secs(request.timeout).min(app.settings.longest_timeout),
        debug: request.debug,
        reuse: request.reuse,
        infotree: request.infotree.map(InfotreeKind::from),
    };
    let (ids, codes): (Vec<_>, Vec<_>) =
        request.snippets.into_iter().map(|snippet| (snippet.id, Ok(snippet.code))).unzip();
    let told = all(&app, &client, codes, options).await?;
    let results = ids.into_iter().zip(told).map(|(id, told)| {
        let (response, error) = either(told.reply);
        CheckResult { id, time: seconds(told.time), response, error, diagnostics: told.diagnostics }
    });
    Ok(Json(CheckResponse { results: results.collect() }))
}

/// Elaborates snippets; the form of Kimina Lean Server 1.
#[utoipa::path(post, path = "/verify", tag = "kimina", request_body = VerifyRequest, responses(
    (status = 200, body = VerifyResponse), (status = 401, body = ErrorBody), (status = 413, body = ErrorBody),
    (status = 422, body = FieldErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    ModelBody(request): ModelBody<VerifyRequest>,
) -> Result<Json<VerifyResponse>, ServeError> {
    legacy(&app, &client, request).await
}

/// The same as `/verify`.
#[utoipa::path(post, path = "/one_pass_verify_batch", tag = "kimina", request_body = VerifyRequest, responses(
    (status = 200, body = VerifyResponse), (status = 401, body = ErrorBody), (status = 413, body = ErrorBody),
    (status = 422, body = FieldErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn one_pass_verify_batch(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    ModelBody(request): ModelBody<VerifyRequest>,
) -> Result<Json<VerifyResponse>, ServeError> {
    legacy(&app, &client, request).await
}

/// The server lives.
#[utoipa::path(get, path = "/health", tag = "kimina", responses((status = 200, body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

async fn legacy(
    app: &Arc<App>,
    client: &Client,
    request: VerifyRequest,
) -> Result<Json<VerifyResponse>, ServeError> {
    let options = Options {
        timeout: Duration::from_secs(request.timeout).min(app.settings.longest_timeout),
        debug: false,
        reuse: !request.disable_cache,
        infotree: request.infotree_type.map(InfotreeKind::from),
    };
    let text = |code: Code| {
        let text = code.proof.or(code.code).ok_or_else(|| "neither `proof` nor `code` is given".to_owned());
        (code.custom_id, text)
    };
    let (ids, codes): (Vec<_>, Vec<_>) = request.codes.into_iter().map(text).unzip();
    let told = all(app, client, codes, options).await?;
    let results = ids.into_iter().zip(told).map(|(custom_id, told)| {
        let (reply, error) = either(told.reply);
        let response = reply.map(|reply| TimedReply { reply, time: seconds(told.time) });
        VerifyResult { custom_id, error, response }
    });
    Ok(Json(VerifyResponse { results: results.collect() }))
}

/// Elaborates each of them, whatever becomes of the others. Dropping the future gives up all that are left.
async fn all(
    app: &Arc<App>,
    client: &Client,
    codes: Vec<Result<String, String>>,
    options: Options,
) -> Result<Vec<Told>, ServeError> {
    let _until_the_last = app.admission.admit(&client.0, codes.len())?;
    let mut told: Vec<Option<Told>> = Vec::new();
    told.resize_with(codes.len(), || None);
    let mut running: FuturesUnordered<_> = codes
        .into_iter()
        .enumerate()
        .map(|(index, code)| async move {
            let told = match code {
                Ok(code) => one(app, &client.0, code, options).await,
                Err(cause) => Told { reply: Err(cause), time: Duration::ZERO, diagnostics: None },
            };
            (index, told)
        })
        .collect();
    while let Some((index, one)) = running.next().await {
        told[index] = Some(one);
    }
    // Each index came once.
    Ok(told.into_iter().flatten().collect())
}

async fn one(app: &App, client: &str, code: String, options: Options) -> Told {
    if let Some(told) = in_company(app, client, &code, options).await {
        return told;
    }
    let Options { timeout, debug, reuse, infotree } = options;
    let snippet = Snippet { code, timeout, reuse, infotree };
    match app.backend.elaborate(client, &snippet).await {
        Err(error) => failed(&error),
        Ok(elaborated) => {
            let diagnostics = debug.then(|| diagnostics(&elaborated));
            let reply = match elaborated.answer {
                Answer::Refused(message) => Reply::Refused { message },
                Answer::Elaborated(mut response) => {
                    place_all_sorries(&mut response);
                    if app.settings.strict {
                        strict::add_errors(&snippet.code, &mut response);
                    }
                    Reply::Elaborated(response)
                }
            };
            Told { reply: Ok(reply), time: elaborated.elapsed, diagnostics }
        }
    }
}

/// The client's types want places, which the REPL does not know of every `sorry`.
fn place_all_sorries(response: &mut CommandResponse) {
    let nowhere = Pos { line: 0, column: 0 };
    for sorry in &mut response.sorries {
        sorry.pos.get_or_insert(nowhere);
        sorry.end_pos.get_or_insert(nowhere);
    }
}

/// The answer of the farm, where a snippet would cost a process and its answer is the same (see `convert.rs`). A candidate
/// may then take longer than the snippet was given, but not more than twice as long.
async fn in_company(app: &App, client: &str, code: &str, options: Options) -> Option<Told> {
    let times = Times { snippet: options.timeout, candidate: app.backend.candidate_time() };
    if !app.settings.strict
        || !app.backend.snippets_cost_a_process()
        || !app.backend.can_judge(Kind::Lean)
        || options.debug
        || !options.reuse
        || options.infotree.is_some()
        || times.candidate > times.snippet.saturating_mul(2)
    {
        return None;
    }
    let converted = convert::convert(code)?;
    let judgement = app.backend.judge(client, converted.candidate.clone()).await;
    Some(match convert::answer(&converted, &judgement, times)? {
        Err(error) => failed(&error),
        Ok(response) => Told {
            reply: Ok(Reply::Elaborated(response)),
            time: Duration::from_millis(judgement.usage.wall_ms),
            diagnostics: None,
        },
    })
}

/// Clients look for `timed out` in the text.
fn failed(error: &SnippetError) -> Told {
    let (text, time) = match error {
        SnippetError::Timeout { limit, in_header } => {
            let header = if *in_header { "header " } else { "" };
            // As Python prints a float: `60.0`.
            (format!("Lean REPL {header}command timed out in {:?} seconds", limit.as_secs_f64()), *limit)
        }
        SnippetError::MemoryLimit
        | SnippetError::OutputLimit
        | SnippetError::Crashed { .. }
        | SnippetError::Unavailable { .. } => (error.to_string(), Duration::ZERO),
    };
    Told { reply: Err(text), time, diagnostics: None }
}

fn diagnostics(elaborated: &Elaborated) -> Diagnostics {
    let usage = elaborated.usage;
    Diagnostics {
        // The form of a UUID of version 8, whose bits are anybody's to choose: this server and its process.
        repl_uuid: format!("{:08x}-0000-8000-8000-{:012x}", std::process::id(), elaborated.process),
        cpu_max: 100.0 * usage.cpu_ms as f64 / usage.wall_ms.max(1) as f64,
        memory_max: usage.peak_memory_bytes as f64,
    }
}

fn either(reply: Result<Reply, String>) -> (Option<Reply>, Option<String>) {
    match reply {
        Ok(reply) => (Some(reply), None),
        Err(error) => (None, Some(error)),
    }
}

/// Rounded to microseconds.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_read_as_clients_expect_them() {
        let text = |limit, in_header| {
            failed(&SnippetError::Timeout { limit: Duration::from_secs(limit), in_header }).reply.err()
        };
        assert_eq!(text(60, false).as_deref(), Some("Lean REPL command timed out in 60.0 seconds"));
        assert_eq!(text(0, false).as_deref(), Some("Lean REPL command timed out in 0.0 seconds"));
        assert_eq!(text(120, true).as_deref(), Some("Lean REPL header command timed out in 120.0 seconds"));
    }

    #[test]
    fn seconds_have_six_decimals() {
        assert_eq!(format!("{}", seconds(Duration::from_nanos(1_234_567_891))), "1.234568");
    }
}
