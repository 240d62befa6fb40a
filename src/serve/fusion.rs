//! The address of SandboxFusion (bytedance/SandboxFusion, July 2026) that runs programs: Python, in WebAssembly, without
//! files and network. Every answer is 200 with all fields, `null` where there is nothing; a `status` tells what happened,
//! and `SandboxError` is what clients take for the server's fault.

use super::backend::Program;
use super::error::{ErrorBody, FieldErrorBody};
use super::pydantic::{FieldFault, ModelBody, Step};
use super::{App, Client, Routes, ServeError};
use axum::extract::State;
use axum::{Extension, Json};
use proofloop_verifiers::python::{ProgramEnd, ProgramRun};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Which of several servers this is, as the field's deployments name it.
static POD_NAME: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MY_POD_NAME").ok());

/// What `/run_code` takes. Unknown fields are passed over.
#[derive(Debug, Clone, Deserialize, ToSchema)]
struct RunCodeRequest {
    /// The program.
    code: String,
    /// `python`; what else SandboxFusion knows is answered with `SandboxError`.
    language: String,
    /// Seconds for compiling. Nothing is compiled.
    #[serde(default = "ten")]
    #[schema(default = 10.0)]
    #[expect(dead_code, reason = "it must be a number; nothing is compiled")]
    compile_timeout: f64,
    /// Seconds for running.
    #[serde(default = "ten")]
    #[schema(default = 10.0)]
    run_timeout: f64,
    /// Memory for it, never more than the server gives; -1 for as much as that.
    #[serde(default = "as_much_as_there_is", rename = "memory_limit_MB")]
    #[schema(default = -1)]
    memory_limit_mb: i64,
    /// Its standard input.
    #[serde(default)]
    stdin: Option<String>,
    /// Must be empty: programs have no files here.
    #[serde(default)]
    files: BTreeMap<String, Option<String>>,
    /// Must be empty: programs have no files here.
    #[serde(default)]
    fetch_files: Vec<String>,
}

fn ten() -> f64 {
    10.0
}

fn as_much_as_there_is() -> i64 {
    -1
}

/// What `/run_code` gives.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct RunCodeResponse {
    /// Whether the program ended as it should.
    status: RunStatus,
    /// Why it could not be run.
    message: String,
    /// Nothing is compiled.
    #[schema(required)]
    compile_result: Option<CommandResult>,
    /// How it ran.
    #[schema(required)]
    run_result: Option<CommandResult>,
    /// The environment variable `MY_POD_NAME` of the server.
    #[schema(required)]
    executor_pod_name: Option<String>,
    /// None.
    files: BTreeMap<String, String>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
enum RunStatus {
    /// The program ended by itself, with status 0.
    Success,
    /// It ended otherwise.
    Failed,
    /// It could not be run.
    SandboxError,
}

/// How a program ran.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct CommandResult {
    /// How it ended.
    status: CommandStatus,
    /// Seconds.
    #[schema(required)]
    execution_time: Option<f64>,
    /// Its status; that of a killed process, -9, where it went beyond a limit of memory or output.
    #[schema(required)]
    return_code: Option<i32>,
    /// What it wrote to its standard output.
    #[schema(required)]
    stdout: Option<String>,
    /// What it wrote to its standard error, and what the server has to say of its end.
    #[schema(required)]
    stderr: Option<String>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
enum CommandStatus {
    /// By itself, or at a limit of memory or output.
    Finished,
    /// It could not be run.
    Error,
    /// Its time was over.
    TimeLimitExceeded,
}

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(run_code))
}

/// What needs no key.
pub(super) fn open_routes() -> Routes {
    Routes::new().routes(routes!(ping))
}

/// The server lives.
#[utoipa::path(get, path = "/v1/ping", tag = "sandbox-fusion",
    responses((status = 200, body = String, content_type = "application/json")))]
async fn ping() -> Json<&'static str> {
    Json("pong")
}

/// Runs a program for its output.
#[utoipa::path(post, path = "/run_code", tag = "sandbox-fusion", request_body = RunCodeRequest, responses(
    (status = 200, body = RunCodeResponse), (status = 401, body = ErrorBody), (status = 413, body = ErrorBody),
    (status = 422, body = FieldErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn run_code(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    ModelBody(request): ModelBody<RunCodeRequest>,
) -> Result<Json<RunCodeResponse>, ServeError> {
    if let Some(message) = request.unsupported() {
        return Ok(Json(refused(message)));
    }
    let timeout = request.timeout(app.settings.longest_timeout)?;
    let memory_bytes = request.memory_bytes()?;
    let _until_it_ends = app.admission.admit(&client.0, 1)?;
    let stdin = request.stdin.unwrap_or_default();
    let program = Program { code: request.code, stdin, timeout, memory_bytes };
    Ok(Json(told(app.backend.run_program(&client.0, program).await)))
}

impl RunCodeRequest {
    /// What of it can't be done here.
    fn unsupported(&self) -> Option<String> {
        if self.language != "python" {
            return Some(format!("language `{}` is not supported here: only `python` is", self.language));
        }
        let field = if !self.files.is_empty() {
            "files"
        } else if !self.fetch_files.is_empty() {
            "fetch_files"
        } else {
            return None;
        };
        Some(format!("`{field}` is not supported here: programs run without files"))
    }

    fn timeout(&self, longest: Duration) -> Result<Duration, ServeError> {
        if !self.run_timeout.is_finite() || self.run_timeout <= 0.0 {
            return Err(wrong("run_timeout", format!("`{}` is no time above 0 seconds", self.run_timeout)));
        }
        Ok(Duration::from_secs_f64(self.run_timeout.min(longest.as_secs_f64())))
    }

    fn memory_bytes(&self) -> Result<Option<u64>, ServeError> {
        match u64::try_from(self.memory_limit_mb) {
            Ok(megabytes) if megabytes > 0 => Ok(Some(megabytes.saturating_mul(1 << 20))),
            Err(_) if self.memory_limit_mb == -1 => Ok(None),
            Ok(_) | Err(_) => {
                let text = format!("`{}` is neither above 0 nor -1", self.memory_limit_mb);
                Err(wrong("memory_limit_MB", text))
            }
        }
    }
}

fn wrong(field: &str, text: String) -> ServeError {
    ServeError::Field(FieldFault::at(vec![Step::Name(field.to_owned())], text))
}

fn refused(message: String) -> RunCodeResponse {
    RunCodeResponse {
        status: RunStatus::SandboxError,
        message,
        compile_result: None,
        run_result: None,
        executor_pod_name: POD_NAME.clone(),
        files: BTreeMap::new(),
    }
}

/// A run as SandboxFusion tells it. What the program is to blame for is `Failed`, also where there a sandbox is killed;
/// only what nobody's program can do is `SandboxError`.
fn told(run: ProgramRun) -> RunCodeResponse {
    let (status, command, return_code, remark) = match run.end {
        ProgramEnd::Exited(0) => (RunStatus::Success, CommandStatus::Finished, Some(0), None),
        ProgramEnd::Exited(code) => (RunStatus::Failed, CommandStatus::Finished, Some(code), None),
        ProgramEnd::Timeout => (RunStatus::Failed, CommandStatus::TimeLimitExceeded, None, None),
        ProgramEnd::MemoryLimit => killed(-9, "killed at the limit of memory"),
        ProgramEnd::OutputLimit => killed(-9, "killed at the limit of output"),
        ProgramEnd::Crashed { how } => killed(-11, &format!("the interpreter crashed: {how}")),
        ProgramEnd::Cancelled => unavailable("the server is stopping".to_owned()),
        ProgramEnd::Unavailable { cause } => unavailable(cause),
    };
    let mut stderr = run.stderr;
    if let Some(remark) = &remark {
        if !stderr.is_empty() && !stderr.ends_with('\n') {
            stderr.push('\n');
        }
        stderr.push_str(&format!("proofloop: {remark}\n"));
    }
    let result = CommandResult {
        status: command,
        execution_time: Some(Duration::from_millis(run.usage.wall_ms).as_secs_f64()),
        return_code,
        stdout: Some(run.stdout),
        stderr: Some(stderr),
    };
    let message = if status == RunStatus::SandboxError { remark.unwrap_or_default() } else { String::new() };
    RunCodeResponse { status, run_result: Some(result), ..refused(message) }
}

type Ending = (RunStatus, CommandStatus, Option<i32>, Option<String>);

fn killed(return_code: i32, remark: &str) -> Ending {
    (RunStatus::Failed, CommandStatus::Finished, Some(return_code), Some(remark.to_owned()))
}

fn unavailable(cause: String) -> Ending {
    (RunStatus::SandboxError, CommandStatus::Error, None, Some(cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(fields: Value) -> RunCodeRequest {
        let mut request = json!({"code": "", "language": "python"});
        let all = request.as_object_mut().expect("an object");
        all.extend(fields.as_object().expect("an object").clone());
        serde_json::from_value(request).expect("reads")
    }

    #[test]
    fn times_are_bounded() {
        let longest = Duration::from_secs(60);
        for (seconds, expected) in [(0.5, 0.5), (10.0, 10.0), (1e300, 60.0)] {
            let timeout = request(json!({"run_timeout": seconds})).timeout(longest).expect("a time");
            assert_eq!(timeout, Duration::from_secs_f64(expected));
        }
        for run_timeout in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let request = RunCodeRequest { run_timeout, ..request(json!({})) };
            assert!(request.timeout(longest).is_err(), "{run_timeout}");
        }
    }

    #[test]
    fn memory_is_above_0_or_not_bounded() {
        let bytes = |megabytes| request(json!({"memory_limit_MB": megabytes})).memory_bytes();
        assert_eq!(bytes(-1), Ok(None));
        assert_eq!(bytes(256), Ok(Some(256 << 20)));
        assert!(bytes(0).is_err() && bytes(-2).is_err());
    }

    #[test]
    fn every_end_has_its_status() {
        let run = |end| ProgramRun {
            end,
            stdout: "out".to_owned(),
            stderr: "err".to_owned(),
            usage: proofloop_verifiers::verdict::Usage::default(),
            protection: Vec::new(),
        };
        for (end, expected) in [
            (ProgramEnd::Exited(0), json!(["Success", "Finished", 0, "err", ""])),
            (ProgramEnd::Exited(3), json!(["Failed", "Finished", 3, "err", ""])),
            (ProgramEnd::Timeout, json!(["Failed", "TimeLimitExceeded", null, "err", ""])),
            (
                ProgramEnd::MemoryLimit,
                json!(["Failed", "Finished", -9, "err\nproofloop: killed at the limit of memory\n", ""]),
            ),
            (
                ProgramEnd::Unavailable { cause: "no guest".to_owned() },
                json!(["SandboxError", "Error", null, "err\nproofloop: no guest\n", "no guest"]),
            ),
        ] {
            let told = serde_json::to_value(told(run(end.clone()))).expect("JSON");
            let result = &told["run_result"];
            let fields = json!([
                told["status"],
                result["status"],
                result["return_code"],
                result["stderr"],
                told["message"]
            ]);
            assert_eq!(fields, expected, "{end:?}");
        }
    }
}
