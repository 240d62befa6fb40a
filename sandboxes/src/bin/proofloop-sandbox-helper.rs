//! The smallest host program. `proofloop-sandbox-helper [--optional] [--policy JSON] PROGRAM ARGUMENT…` runs a
//! program under a policy (by default the strict one; `--optional` lets layers be missing) in the current
//! directory and prints what came of it as one JSON line. The tests use it as helper, as a parent to be
//! killed, and as another user.

use std::io::Write;
use std::process::ExitCode;

use proofloop_sandboxes::process::{Launcher, Layer, Policy, Program, enter_if_child};
use tokio_util::sync::CancellationToken;

/// As the command line of `proofloop`: usage error, infrastructure failure.
const USAGE: u8 = 2;
const INFRASTRUCTURE: u8 = 3;

fn main() -> ExitCode {
    enter_if_child();
    let Some((program, policy)) = arguments() else {
        writeln!(
            std::io::stderr(),
            "usage: proofloop-sandbox-helper [--optional] [--policy JSON] PROGRAM ARGUMENT..."
        )
        .ok();
        return ExitCode::from(USAGE);
    };
    match run(&program, &policy) {
        Ok(line) => {
            writeln!(std::io::stdout(), "{line}").ok(); // a closed output is the caller's choice
            ExitCode::SUCCESS
        }
        Err(error) => {
            writeln!(std::io::stderr(), "{error}").ok();
            ExitCode::from(INFRASTRUCTURE)
        }
    }
}

fn arguments() -> Option<(Program, Policy)> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let mut policy = Policy::default();
    let mut is_optional = false;
    while let Some(flag) =
        arguments.next_if(|argument| argument.to_str().is_some_and(|a| a.starts_with("--")))
    {
        match flag.to_str() {
            Some("--optional") => is_optional = true,
            Some("--policy") => policy = serde_json::from_str(arguments.next()?.to_str()?).ok()?,
            _ => return None,
        }
    }
    if is_optional {
        policy.optional = Layer::ALL.into();
    }
    let path = arguments.next()?.into();
    let cwd = std::env::current_dir().ok()?;
    Some((Program { path, args: arguments.collect(), cwd, stdin: Vec::new() }, policy))
}

fn run(program: &Program, policy: &Policy) -> Result<String, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let finished =
        runtime.block_on(Launcher::current_exe().run(program, policy, &CancellationToken::new()))?;
    Ok(serde_json::to_string(&finished)?)
}
