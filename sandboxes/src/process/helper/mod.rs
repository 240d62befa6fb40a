//! The helper: our own binary executed again, single-threaded, to set the sandbox up.
//!
//! Three processes, each the parent of the next: **outer** (host's pid namespace; dies with the launcher),
//! **init** (pid 1 of the new pid namespace; reaps, watches, reports), and the **program**.

mod confine;
mod filter;
mod init;
mod mounts;
mod namespaces;
mod program;
mod report;
mod watch;

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getppid};

use super::policy::Layer;
use super::protocol::{HELPER_ARGUMENT, LINE_BYTES, Message, Settings};
use report::{Refused, Reporter};

/// Exit status of a helper that could not even report; the launcher never reads a meaning into it.
const HELPER_FAILED: i32 = 125;

/// The first line of every host program's `main`: in a helper process this sets the sandbox up, runs the
/// program in it and never returns; in any other process it returns at once.
#[expect(clippy::exit, reason = "the helper process ends here; its host program must not go on")]
pub fn enter_if_child() {
    if std::env::args_os().nth(1).is_none_or(|argument| argument != HELPER_ARGUMENT) {
        return;
    }
    let status = match outer() {
        Ok(()) => 0,
        Err(_refused_and_reported) => HELPER_FAILED,
    };
    std::process::exit(status);
}

/// The fds of the helper beside 0 (the control socket), 1 and 2 (the program's output).
struct Inherited {
    control: UnixStream,
    stdin: OwnedFd,
    settings: Settings,
}

fn outer() -> Result<(), Refused> {
    let Inherited { control, stdin, settings } = receive().map_err(|_nobody_to_tell| Refused)?;
    let reporter = Reporter::new(control, settings.policy.optional.clone());
    let r = &reporter;
    r.layer(Layer::ProcessGroup, "process-group", namespaces::own_session())?;
    die_with_parent(r, settings.parent_pid)?;
    let join = open_join_files(r, &settings)?;
    namespaces::enter(r, &settings.policy)?;
    // A change of credentials clears the parent-death signal; set it once more.
    namespaces::parent_death_signal().map_err(|detail| r.setup("parent death", detail))?;
    // SAFETY: this process has one thread, so the child may go on with anything.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => init::main(reporter, &settings, stdin, join),
        Ok(ForkResult::Parent { child }) => {
            drop((stdin, join));
            release_output();
            match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, 0)) => Ok(()),
                other => {
                    r.send(&Message::InitDied { detail: format!("{other:?}") });
                    Err(Refused)
                }
            }
        }
        Err(e) => Err(r.setup("fork", format!("cannot fork: {e}"))),
    }
}

fn die_with_parent(r: &Reporter, parent_pid: i32) -> Result<(), Refused> {
    let result = namespaces::parent_death_signal().and_then(|detail| {
        // The launcher may have died before the signal was armed.
        if getppid().as_raw() == parent_pid { Ok(detail) } else { Err("the launcher is gone".to_owned()) }
    });
    r.layer(Layer::ParentDeath, "parent-death", result)
}

/// Opened before the user namespace is entered and the old root is left.
fn open_join_files(r: &Reporter, settings: &Settings) -> Result<Vec<File>, Refused> {
    let open = |path| {
        File::options()
            .write(true)
            .open(path)
            .map_err(|e| r.setup("cgroup", format!("cannot open {path:?}: {e}")))
    };
    settings.cgroup.join.iter().map(open).collect()
}

/// Once the program has its own copies, no helper process may keep its output pipes open: the launcher
/// reads until the end of file.
fn release_output() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        for fd in [1, 2] {
            // SAFETY: both are valid descriptors of this process; dup2 replaces the second.
            unsafe { libc::dup2(null.as_raw_fd(), fd) };
        }
        return;
    }
    for fd in [1, 2] {
        // SAFETY: nothing in the helper owns fds 1 and 2 or writes to them.
        unsafe { libc::close(fd) };
    }
}

/// Takes the control socket from fd 0, then the program's standard input and the settings from it.
fn receive() -> std::io::Result<Inherited> {
    const CONTROL: RawFd = 0;
    // SAFETY: fd 0 is open (else the call fails, which is an error below).
    let control = unsafe { BorrowedFd::borrow_raw(CONTROL) }.try_clone_to_owned()?;
    // SAFETY: closes everything that a host program may have leaked to us, except 0 to 2 and `control`.
    unsafe {
        let keep = control.as_raw_fd().unsigned_abs();
        if keep > 3 {
            libc::syscall(libc::SYS_close_range, 3, keep - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, keep + 1, u32::MAX, 0);
    }
    let mut stream = UnixStream::from(control);
    let stdin = receive_fd(&stream)?;
    // SAFETY: both are valid descriptors; fd 0 (the extra copy of the socket) becomes the program's stdin.
    if unsafe { libc::dup2(stdin.as_raw_fd(), CONTROL) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let settings = serde_json::from_slice(&read_line(&mut stream)?)?;
    Ok(Inherited { control: stream, stdin, settings })
}

fn receive_fd(stream: &UnixStream) -> std::io::Result<OwnedFd> {
    let mut byte = [0_u8; 1];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut io = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut io, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control
            && let Some(&fd) = fds.first()
        {
            // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    Err(std::io::Error::other("no descriptor came with the first byte"))
}

/// One line. Nothing follows it until the program has started, so reading ahead loses nothing.
fn read_line(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut piece = [0_u8; 16 * 1024];
    while line.len() < LINE_BYTES {
        let n = stream.read(&mut piece)?;
        if n == 0 {
            break;
        }
        line.extend_from_slice(&piece[..n]);
        if line.last() == Some(&b'\n') {
            return Ok(line);
        }
    }
    Err(std::io::Error::other("settings without an end"))
}

/// Writes `bytes` whole; the launcher being gone is no reason to report anything to anybody.
fn write_ignoring_errors(mut to: impl Write, bytes: &[u8]) {
    to.write_all(bytes).ok();
}
