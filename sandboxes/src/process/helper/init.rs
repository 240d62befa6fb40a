//! The first process of the sandbox: starts the program, reaps, watches the limits, kills, reports.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, Pid, fork, getpid, pipe2};

use super::report::{Refused, Reporter};
use super::watch::{Proc, Sample, oom_kills};
use super::{mounts, namespaces, program, release_output};
use crate::process::policy::{Layer, Policy};
use crate::process::protocol::{Command, LINE_BYTES, Limit, Message, Settings, Status, Task, TreeUsage};

/// Between two looks at the tree where a cgroup holds the memory limit.
const RELAXED_TICK: Duration = Duration::from_millis(100);
/// Between two looks where the look is the memory limit.
const WATCHDOG_TICK: Duration = Duration::from_millis(20);
/// Between two rounds of kill and reap after the end.
const REAP_TICK: Duration = Duration::from_millis(5);
/// Rounds before what cannot be killed is left to the launcher: 5 s.
const REAP_ROUNDS: u32 = 1000;

/// What the program's process needs from here.
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) join: Vec<File>,
    pub(super) has_own_root: bool,
    pub(super) has_own_proc: bool,
    pub(super) has_watch: bool,
    pub(super) also_readable: Vec<PathBuf>,
}

pub(super) fn main(reporter: Reporter, settings: &Settings, stdin: OwnedFd, join: Vec<File>) -> ! {
    drop(stdin); // fd 0 holds it
    let status = match run(&reporter, settings, join) {
        Ok(()) | Err(Refused) => 0, // refusals have been reported
    };
    std::process::exit(status)
}

fn run(r: &Reporter, settings: &Settings, join: Vec<File>) -> Result<(), Refused> {
    namespaces::parent_death_signal().map_err(|detail| r.setup("parent death", detail))?;
    // SAFETY: these prctl calls take integers. Not dumpable: nothing in the sandbox may open our /proc files.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    let has_pid_namespace = getpid() == Pid::from_raw(1);
    let oom = settings.cgroup.oom.as_ref().and_then(|path| File::open(path).ok());
    let outside_proc = Proc::open();
    let also_readable = also_readable(&settings.task);
    let root = mounts::new_root(&settings.policy, &also_readable, has_pid_namespace)
        .map_err(|detail| r.setup("file system", detail))?;
    let has_own_root = root.is_ok();
    let inside_proc = if has_own_root { Proc::open() } else { None };
    let has_own_proc = inside_proc.is_some();
    r.layer(Layer::MountNamespace, "mount-namespace", root)?;
    let proc = inside_proc.or(outside_proc);
    let has_watch = proc.is_some();
    let context = Context { settings, join, has_own_root, has_own_proc, has_watch, also_readable };
    let signals = child_signals().map_err(|e| r.setup("signals", e.to_string()))?;
    let program = start(r, context)?;
    release_output();
    Tree {
        program,
        proc,
        oom,
        has_pid_namespace,
        status: None,
        reaped_cpu: Duration::ZERO,
        peak_bytes: 0,
        limit: None,
    }
    .watch(r, &settings.policy, &signals, settings.cgroup.memory.is_ok());
    Ok(())
}

/// The program itself and its working directory can always be read.
fn also_readable(task: &Task) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    match task {
        Task::Probe => Vec::new(),
        Task::Exec { path, cwd, .. } => {
            [path, cwd].map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes.clone()))).into()
        }
    }
}

fn child_signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Forks the program's process and passes its reports on; they end when exec closes the pipe.
fn start(r: &Reporter, context: Context<'_>) -> Result<Pid, Refused> {
    let (from, to) = pipe2(OFlag::O_CLOEXEC).map_err(|e| r.setup("pipe", e.to_string()))?;
    // SAFETY: this process has one thread, so the child may go on with anything.
    let child = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            drop(from);
            program::main(&Reporter::new(File::from(to), r.optional().clone()), context)
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(e) => return Err(r.setup("fork", e.to_string())),
    };
    drop((to, context));
    let mut lines = Vec::new();
    let read = File::from(from).take(LINE_BYTES as u64).read_to_end(&mut lines);
    let is_started = |line: &&[u8]| matches!(serde_json::from_slice(line), Ok(Message::Started));
    let mut last = None;
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        // Said just before exec, and true only if nothing follows it.
        if !is_started(&line) {
            r.forward(line);
        }
        last = serde_json::from_slice(line).ok();
    }
    match (read, last) {
        (Ok(_), Some(Message::Started)) => {
            r.send(&Message::Started);
            Ok(child)
        }
        (Ok(_), Some(Message::LayerMissing { .. } | Message::Setup { .. } | Message::ExecFailed { .. })) => {
            Err(Refused)
        }
        (read, _) => Err(r.setup("program's process", format!("it died before exec ({read:?})"))),
    }
}

/// Everything below this process.
struct Tree {
    program: Pid,
    proc: Option<Proc>,
    oom: Option<File>,
    has_pid_namespace: bool,
    status: Option<Status>,
    reaped_cpu: Duration,
    peak_bytes: u64,
    limit: Option<Limit>,
}

impl Tree {
    fn watch(mut self, r: &Reporter, policy: &Policy, signals: &SignalFd, has_memory_cgroup: bool) {
        let tick = if has_memory_cgroup { RELAXED_TICK } else { WATCHDOG_TICK };
        let tick = PollTimeout::try_from(tick).unwrap_or(PollTimeout::from(100_u8));
        // A child that ended between fork and here has left its signal pending, so poll returns at once.
        while self.status.is_none() {
            let mut fds =
                [PollFd::new(r.fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut fds, tick).unwrap_or(0);
            let is_ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
            let (has_command, has_signal) = (is_ready(&fds[0]), is_ready(&fds[1]));
            if has_command {
                self.obey(r);
            }
            if has_signal {
                drain(signals);
                self.reap();
            }
            if ready == 0 {
                self.check(policy, has_memory_cgroup);
            }
        }
        self.end(signals);
        let usage = TreeUsage { cpu_us: micros(self.reaped_cpu), peak_memory_bytes: self.peak_bytes };
        if let Some(status) = self.status {
            r.send(&Message::Final { status, usage, limit: self.limit });
        }
    }

    fn obey(&mut self, r: &Reporter) {
        let mut bytes = [0_u8; 16];
        let count = match nix::unistd::read(r.fd(), &mut bytes) {
            Ok(0) => return self.kill(), // the launcher is gone
            Ok(count) => count,
            Err(Errno::EINTR | Errno::EAGAIN) => return,
            Err(_) => return self.kill(),
        };
        for command in bytes[..count].iter().filter_map(|&byte| Command::from_byte(byte)) {
            match command {
                Command::Terminate => {
                    kill(Pid::from_raw(-self.program.as_raw()), Signal::SIGTERM).ok();
                }
                Command::Kill => self.kill(),
                Command::Usage => {
                    let sample = self.sample();
                    let cpu_us = micros(self.reaped_cpu + sample.cpu);
                    r.send(&Message::Usage(TreeUsage { cpu_us, peak_memory_bytes: self.peak_bytes }));
                }
            }
        }
    }

    fn sample(&mut self) -> Sample {
        let sample = self.proc.as_ref().map(Proc::sample).unwrap_or_default();
        self.peak_bytes = self.peak_bytes.max(sample.memory_bytes);
        sample
    }

    fn check(&mut self, policy: &Policy, has_memory_cgroup: bool) {
        let sample = self.sample();
        if policy.cpu.is_some_and(|limit| self.reaped_cpu + sample.cpu >= limit) {
            self.limit.get_or_insert(Limit::Cpu);
            return self.kill();
        }
        let is_over = if has_memory_cgroup {
            self.oom.as_mut().is_some_and(|file| oom_kills(file) > 0)
        } else {
            sample.resident_bytes > policy.memory_bytes
                && self.proc.as_ref().is_some_and(|proc| proc.exact_memory_bytes() > policy.memory_bytes)
        };
        if is_over {
            self.limit.get_or_insert(Limit::Memory);
            self.kill();
        }
    }

    /// SIGKILL to every process of the tree.
    fn kill(&self) {
        if self.has_pid_namespace {
            kill(Pid::from_raw(-1), Signal::SIGKILL).ok();
            return;
        }
        kill(Pid::from_raw(-self.program.as_raw()), Signal::SIGKILL).ok();
        for pid in self.proc.as_ref().map(Proc::descendant_pids).unwrap_or_default() {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }

    /// Takes every dead child; false once there is no child at all.
    fn reap(&mut self) -> bool {
        loop {
            let mut status = 0;
            // SAFETY: a zeroed rusage is valid, it holds only integers.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: both pointers are to live values of the right types.
            let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage) };
            match pid {
                0 => return true,
                pid if pid < 0 => return Errno::last() == Errno::EINTR,
                pid => self.count(pid, status, &usage),
            }
        }
    }

    fn count(&mut self, pid: i32, status: i32, usage: &libc::rusage) {
        self.reaped_cpu += timeval(usage.ru_utime) + timeval(usage.ru_stime);
        self.peak_bytes = self.peak_bytes.max(u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024);
        if pid == self.program.as_raw() {
            self.status = Some(if libc::WIFSIGNALED(status) {
                Status::Signaled(libc::WTERMSIG(status))
            } else {
                Status::Exited(libc::WEXITSTATUS(status))
            });
        }
    }

    /// Kills and reaps whatever has outlived the program.
    fn end(&mut self, signals: &SignalFd) {
        let tick = PollTimeout::try_from(REAP_TICK).unwrap_or(PollTimeout::from(5_u8));
        for _ in 0..REAP_ROUNDS {
            self.kill();
            if !self.reap() {
                return;
            }
            poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], tick).ok();
            drain(signals);
        }
    }
}

fn drain(signals: &SignalFd) {
    while let Ok(Some(_)) = signals.read_signal() {}
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn timeval(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}
