//! The process that becomes the program: takes the restrictions on and executes it.

use std::ffi::CString;
use std::io::Write;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{Pid, chdir, execve, setpgid};

use super::init::Context;
use super::report::{LayerResult, Refused, Reporter};
use super::{HELPER_FAILED, confine, filter, namespaces};
use crate::process::policy::Layer;
use crate::process::protocol::{Message, Task};

/// Never returns: ends in exec, or in an exit after the reason was reported.
pub(super) fn main(r: &Reporter<std::fs::File>, mut context: Context<'_>) -> ! {
    let status = match become_program(r, &mut context) {
        Ok(()) => 0,
        Err(Refused) => HELPER_FAILED,
    };
    std::process::exit(status)
}

fn become_program(r: &Reporter<std::fs::File>, context: &mut Context<'_>) -> Result<(), Refused> {
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(|e| r.setup("process group", e.to_string()))?;
    namespaces::parent_death_signal().map_err(|detail| r.setup("parent death", detail))?;
    reset_signals().map_err(|e| r.setup("signals", e.to_string()))?;
    join_cgroups(r, context)?;
    let policy = &context.settings.policy;
    memory_limit(r, context)?;
    process_limit(r, context)?;
    r.layer(Layer::Rlimits, "rlimits", confine::rlimits(policy))?;
    r.layer(Layer::NoNewPrivs, "no-new-privs", confine::no_new_privs())?;
    if let Task::Exec { cwd, .. } = &context.settings.task {
        // Landlock does not restrict chdir, and afterwards a directory above might not be searchable.
        let cwd = c_string(r, cwd)?;
        chdir(cwd.as_c_str())
            .map_err(|e| r.setup("working directory", format!("cannot enter {cwd:?}: {e}")))?;
    }
    landlock(r, context)?;
    r.layer(Layer::Capabilities, "capabilities", confine::drop_capabilities())?;
    let seccomp = filter::install(policy.network, context.settings.cgroup.memory.is_ok());
    r.layer(Layer::Seccomp, "seccomp", seccomp)?;
    execute(r, context)
}

/// What Rust's runtime and our own init have changed would otherwise survive exec.
fn reset_signals() -> nix::Result<()> {
    SigSet::empty().thread_set_mask()?;
    // SAFETY: the default action installs no handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map(|_| ())
}

fn join_cgroups(r: &Reporter<std::fs::File>, context: &mut Context<'_>) -> Result<(), Refused> {
    for file in &mut context.join {
        // 0 stands for the process that writes.
        file.write_all(b"0").map_err(|e| r.setup("cgroup", format!("cannot join: {e}")))?;
    }
    Ok(())
}

fn memory_limit(r: &Reporter<std::fs::File>, context: &Context<'_>) -> Result<(), Refused> {
    let (name, result): (&str, LayerResult) = match &context.settings.cgroup.memory {
        Ok((name, detail)) => (name, Ok(detail.clone())),
        Err(reason) if context.has_watch => {
            let data = confine::data_limit(&context.settings.policy);
            (
                "memory-watchdog",
                data.map(|()| format!("polled, with RLIMIT_DATA behind it (no cgroup: {reason})")),
            )
        }
        Err(reason) => ("memory-limit", Err(format!("neither a cgroup ({reason}) nor a readable /proc"))),
    };
    r.layer(Layer::MemoryLimit, name, result)
}

fn process_limit(r: &Reporter<std::fs::File>, context: &Context<'_>) -> Result<(), Refused> {
    let rlimit = confine::process_limit(&context.settings.policy);
    let (name, result): (&str, LayerResult) = match &context.settings.cgroup.pids {
        Ok((name, detail)) => (name, Ok(detail.clone())),
        Err(reason) if nix::unistd::getuid().is_root() => {
            ("process-limit", Err(format!("RLIMIT_NPROC does not bind user 0, and no cgroup: {reason}")))
        }
        Err(_) => {
            ("processes-rlimit", rlimit.map(|()| format!("{} per user", context.settings.policy.processes)))
        }
    };
    r.layer(Layer::ProcessLimit, name, result)
}

fn landlock(r: &Reporter<std::fs::File>, context: &Context<'_>) -> Result<(), Refused> {
    let view = confine::View {
        has_own_root: context.has_own_root,
        has_own_proc: context.has_own_proc,
        also_readable: context.also_readable.clone(),
    };
    match confine::landlock_abi() {
        Ok(abi) => {
            let result = confine::landlock(&context.settings.policy, &view, abi);
            r.layer(Layer::Landlock, &format!("landlock-abi{abi}"), result)
        }
        Err(reason) => r.layer(Layer::Landlock, "landlock", Err(reason)),
    }
}

fn execute(r: &Reporter<std::fs::File>, context: &Context<'_>) -> Result<(), Refused> {
    let Task::Exec { path, args, .. } = &context.settings.task else {
        r.send(&Message::Started);
        return Ok(());
    };
    let path = c_string(r, path)?;
    let mut argv = vec![path.clone()];
    for argument in args {
        argv.push(c_string(r, argument)?);
    }
    let mut env = Vec::new();
    for (name, value) in &context.settings.policy.env {
        env.push(c_string(r, format!("{name}={value}").as_bytes())?);
    }
    // Everything is close-on-exec already; this covers what a library might have opened.
    // SAFETY: only marks descriptors.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    r.send(&Message::Started);
    let Err(errno): Result<std::convert::Infallible, Errno> = execve(&path, &argv, &env);
    r.send(&Message::ExecFailed { errno: errno as i32 });
    Err(Refused)
}

fn c_string(r: &Reporter<std::fs::File>, bytes: &[u8]) -> Result<CString, Refused> {
    CString::new(bytes).map_err(|e| r.setup("arguments", e.to_string()))
}
