//! The one thread that forks.
//!
//! A parent-death signal is sent when the *thread* that forked ends, so every helper is started here, and
//! the thread lives as long as any launcher or run that holds a [`Spawner`]. It also buries: kills what is
//! left, waits for it, removes the cgroups.

use std::io;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::sync::oneshot;

use super::cgroup::{Cgroup, Hierarchies};
use super::policy::Policy;
use super::protocol::HELPER_ARGUMENT;

/// Between two looks at what is not dead yet.
const BURIAL_TICK: Duration = Duration::from_millis(1);
/// When to stop waiting for something that SIGKILL does not end, e.g. a process in a hung file system.
const BURIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Handle to the thread; the thread ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct Spawner {
    jobs: Sender<Job>,
}

enum Job {
    Spawn(Box<Request>),
    Bury(Box<Remains>),
}

struct Request {
    policy: Policy,
    reply: oneshot::Sender<io::Result<Helper>>,
    /// For the guard. The thread itself holds no sender, else it would never end.
    jobs: Sender<Job>,
}

/// A started helper with our ends of its pipes.
pub(super) struct Helper {
    pub(super) control: UnixStream,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
    pub(super) guard: Guard,
}

/// What must be killed, reaped and removed at the end.
struct Remains {
    child: Child,
    cgroup: Cgroup,
    is_reaped: bool,
    since: Option<Instant>,
    done: Option<oneshot::Sender<()>>,
}

/// Dropping it kills the whole tree.
pub(super) struct Guard {
    remains: Option<(Child, Cgroup)>,
    jobs: Sender<Job>,
}

impl Guard {
    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.remains.as_ref().map(|(_, cgroup)| cgroup)
    }

    /// Kills what is left; resolves when it is gone.
    pub(super) async fn bury(mut self) {
        let (sender, receiver) = oneshot::channel();
        if let Some((child, cgroup)) = self.remains.take() {
            let remains = Remains { child, cgroup, is_reaped: false, since: None, done: Some(sender) };
            // The thread lives while we hold a sender; without it there is nobody left to do the job.
            self.jobs.send(Job::Bury(Box::new(remains))).ok();
            receiver.await.ok();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((mut child, cgroup)) = self.remains.take() {
            // At once, not when the thread gets to it: the process may be about to end.
            child.kill().ok();
            let remains = Remains { child, cgroup, is_reaped: false, since: None, done: None };
            self.jobs.send(Job::Bury(Box::new(remains))).ok();
        }
    }
}

impl Spawner {
    pub(super) fn start(helper: PathBuf) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "at most one spawn and one burial per run, and a guard's drop must not wait"
        )]
        let (jobs, queue) = channel();
        std::thread::Builder::new()
            .name("sandbox-spawner".to_owned())
            .spawn(move || work(&helper, &queue))?;
        Ok(Self { jobs })
    }

    pub(super) async fn spawn(&self, policy: &Policy) -> io::Result<Helper> {
        let (reply, receiver) = oneshot::channel();
        let gone = || io::Error::other("the spawner thread is gone");
        let request = Request { policy: policy.clone(), reply, jobs: self.jobs.clone() };
        self.jobs.send(Job::Spawn(Box::new(request))).map_err(|_closed| gone())?;
        receiver.await.map_err(|_closed| gone())?
    }
}

fn work(helper: &Path, queue: &Receiver<Job>) {
    let hierarchies = Hierarchies::detect();
    let mut dying: Vec<Box<Remains>> = Vec::new();
    loop {
        let job = if dying.is_empty() {
            queue.recv().map_err(|_closed| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(BURIAL_TICK)
        };
        match job {
            Ok(Job::Spawn(request)) => {
                let Request { policy, reply, jobs } = *request;
                // If the caller is gone, the unsent helper's guard is dropped here, which queues its burial.
                drop(reply.send(spawn(helper, hierarchies.create(&policy), jobs)));
            }
            Ok(Job::Bury(remains)) => dying.push(remains),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if dying.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(BURIAL_TICK),
        }
        dying.retain_mut(|remains| !remains.is_gone());
    }
}

fn spawn(helper: &Path, mut cgroup: Cgroup, jobs: Sender<Job>) -> io::Result<Helper> {
    match start(helper) {
        Ok((mut child, control, stdin)) => {
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            let guard = Guard { remains: Some((child, cgroup)), jobs };
            match (stdout, stderr) {
                (Some(stdout), Some(stderr)) => Ok(Helper { control, stdin, stdout, stderr, guard }),
                _ => Err(io::Error::other("the helper has no output pipes")),
            }
        }
        Err(e) => {
            cgroup.remove();
            Err(e)
        }
    }
}

/// The control socket is the helper's standard input. Everything else of ours is close-on-exec, so no
/// descriptor can leak into a process that another thread starts at the same time.
#[expect(clippy::disallowed_methods, reason = "the one place where a process is started")]
fn start(helper: &Path) -> io::Result<(Child, UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    let (stdin_read, stdin_write) = io::pipe()?;
    let byte = [0_u8];
    let fds = [stdin_read.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(ours.as_raw_fd(), &[IoSlice::new(&byte)], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    let child = Command::new(helper)
        .arg(HELPER_ARGUMENT)
        .env_clear()
        // The helper is this program: what it needs to start (CUDA's libraries, say) the helper needs, too. The sandboxed
        // program gets the policy's environment, and nothing of this.
        .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok((child, ours, stdin_write.into()))
}

impl Remains {
    /// One more try. True when there is nothing left to do, or no hope.
    fn is_gone(&mut self) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !self.is_reaped {
            self.child.kill().ok();
            self.is_reaped = !matches!(self.child.try_wait(), Ok(None));
        }
        let is_gone = self.is_reaped && self.cgroup.remove();
        if !is_gone {
            self.cgroup.kill();
        }
        let is_hopeless = !is_gone && since.elapsed() > BURIAL_TIMEOUT;
        if is_hopeless {
            tracing::warn!(pid = self.child.id(), "a sandbox could not be removed");
        }
        if is_gone || is_hopeless {
            self.done.take().map(|done| done.send(()));
        }
        is_gone || is_hopeless
    }
}
