//! One run, seen from the launcher: talks with the helper, moves input and output, keeps the deadline.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::outcome::{Finished, Outcome, Recorder, StartError, Usage};
use super::policy::{Policy, Protection};
use super::protocol::{Command, LINE_BYTES, Limit, Message, Settings, Status, TreeUsage};
use super::session::Request;
use super::spawner::{Guard, Helper};

/// For the helper to set everything up; milliseconds unless the machine is starved.
const SETUP_TIMEOUT: Duration = Duration::from_secs(30);
/// From the order to kill to the report; then the helper itself is killed.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// For what is still in the pipes once everything that could write to them is dead.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// A time limit beyond this might not be representable as a point in time.
const LONGEST_PHASE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Writes that wait behind an unfinished one (only when its future was dropped).
const INPUTS_WAITING: usize = 16;
/// What is read from a pipe at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Where the program's input comes from and its output goes, beside being recorded.
pub(super) enum Feed {
    /// These bytes and then the end.
    Once(Vec<u8>),
    /// A session.
    Session { first_input: Vec<u8>, requests: mpsc::Receiver<Request>, chunks: mpsc::Sender<Vec<u8>> },
}

/// Input on its way to the program.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    written: usize,
    /// The program's end of input comes after these bytes.
    is_last: bool,
    reply: Option<oneshot::Sender<io::Result<()>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Terminating,
    Killing,
}

/// A helper whose program has started.
pub(super) struct Driver {
    control: UnixStream,
    /// Bytes of an unfinished line.
    line: Vec<u8>,
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    messages: VecDeque<Message>,
    inputs: VecDeque<Input>,
    requests: Option<mpsc::Receiver<Request>>,
    chunks: Option<mpsc::Sender<Vec<u8>>>,
    usage_replies: Vec<oneshot::Sender<Usage>>,
    recorded: (Recorder, Recorder),
    is_session: bool,
    policy: Policy,
    protection: Protection,
    cancel: CancellationToken,
    started: Instant,
    phase: Phase,
    phase_ends: Instant,
    /// Why we have ended it, if we have.
    ending: Option<Outcome>,
    report: Option<(Status, TreeUsage, Option<Limit>)>,
    /// Why no report can come any more.
    lost: Option<String>,
    piece: Box<[u8]>,
    guard: Guard,
}

enum Event {
    Control,
    Stdin,
    Stdout(Option<mpsc::OwnedPermit<Vec<u8>>>),
    ChunksClosed,
    Stderr,
    Request(Option<Request>),
    PhaseEnds,
    Cancelled,
}

impl Driver {
    /// Hands the settings over and waits until the program runs.
    pub(super) async fn set_up(
        helper: Helper,
        settings: &Settings,
        path: PathBuf,
        cancel: CancellationToken,
        feed: Feed,
    ) -> Result<Self, StartError> {
        let mut driver = Self::new(helper, &settings.policy, cancel.clone(), feed)
            .map_err(|e| StartError::Helper { detail: format!("cannot use its pipes: {e}") })?;
        let introduced = tokio::select! {
            result = timeout(SETUP_TIMEOUT, driver.introduce(settings, path)) => result.unwrap_or_else(|_| {
                Err(StartError::Helper { detail: format!("no answer within {} s", SETUP_TIMEOUT.as_secs()) })
            }),
            () = cancel.cancelled() => Err(StartError::CancelledBeforeStart),
        };
        if let Err(error) = introduced {
            let said = driver.helper_stderr();
            driver.guard.bury().await;
            return Err(with_what_it_wrote(error, &said));
        }
        driver.started = Instant::now();
        driver.phase_ends = driver.started + driver.policy.wall.min(LONGEST_PHASE);
        Ok(driver)
    }

    fn new(helper: Helper, policy: &Policy, cancel: CancellationToken, feed: Feed) -> io::Result<Self> {
        let Helper { control, stdin, stdout, stderr, guard } = helper;
        control.set_nonblocking(true)?;
        let (first_input, requests, chunks) = match feed {
            Feed::Once(bytes) => (Input { bytes, is_last: true, ..Input::default() }, None, None),
            Feed::Session { first_input, requests, chunks } => {
                (Input { bytes: first_input, ..Input::default() }, Some(requests), Some(chunks))
            }
        };
        let now = Instant::now();
        Ok(Self {
            control: UnixStream::from_std(control)?,
            line: Vec::new(),
            stdin: Some(pipe::Sender::from_owned_fd(stdin)?),
            stdout: Some(pipe::Receiver::from_owned_fd(stdout.into())?),
            stderr: Some(pipe::Receiver::from_owned_fd(stderr.into())?),
            messages: VecDeque::new(),
            inputs: VecDeque::from([first_input]),
            is_session: requests.is_some(),
            requests,
            chunks,
            usage_replies: Vec::new(),
            recorded: (Recorder::new(policy.output_bytes), Recorder::new(policy.output_bytes)),
            policy: policy.clone(),
            protection: Protection::default(),
            cancel,
            started: now,
            phase: Phase::Running,
            phase_ends: now,
            ending: None,
            report: None,
            lost: None,
            piece: vec![0; PIECE_BYTES].into(),
            guard,
        })
    }

    pub(super) fn protection(&self) -> &Protection {
        &self.protection
    }

    async fn introduce(&mut self, settings: &Settings, path: PathBuf) -> Result<(), StartError> {
        let lost = |e: io::Error| StartError::Helper { detail: format!("it went away: {e}") };
        let mut line = serde_json::to_vec(settings)
            .map_err(|e| StartError::Invalid { detail: format!("settings cannot be written down: {e}") })?;
        line.push(b'\n');
        if line.len() > LINE_BYTES {
            return Err(StartError::Invalid {
                detail: format!("settings of {} bytes are too large", line.len()),
            });
        }
        self.control.write_all(&line).await.map_err(lost)?;
        loop {
            while let Some(message) = self.messages.pop_front() {
                match message {
                    Message::Layer(state) => self.protection.layers.push(state),
                    Message::Started => return Ok(()),
                    Message::LayerMissing { layer, detail } => {
                        return Err(StartError::LayerMissing { layer, detail });
                    }
                    Message::Setup { stage, detail } => return Err(StartError::Setup { stage, detail }),
                    Message::ExecFailed { errno: libc::ENOENT | libc::ENOTDIR } => {
                        return Err(StartError::ProgramNotFound { path });
                    }
                    Message::ExecFailed { errno } => {
                        return Err(StartError::Exec { path, source: io::Error::from_raw_os_error(errno) });
                    }
                    Message::InitDied { detail } => {
                        return Err(StartError::Helper {
                            detail: format!("its first process died: {detail}"),
                        });
                    }
                    Message::Usage(_) | Message::Final { .. } => {
                        return Err(StartError::Helper { detail: "it reported out of order".to_owned() });
                    }
                }
            }
            self.control.readable().await.map_err(lost)?;
            if !self.receive().map_err(lost)? {
                return Err(StartError::Helper { detail: "it ended without a word".to_owned() });
            }
        }
    }

    /// Takes what the helper has sent; false at its end.
    fn receive(&mut self) -> io::Result<bool> {
        let count = match self.control.try_read(&mut self.piece) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(e) => return Err(e),
        };
        self.line.extend_from_slice(&self.piece[..count]);
        while let Some(end) = self.line.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            self.messages.push_back(serde_json::from_slice(&line)?);
        }
        if self.line.len() > LINE_BYTES {
            return Err(io::Error::other("a line without an end"));
        }
        Ok(true)
    }

    /// Moves everything until the last process is dead, then takes the result down.
    pub(super) async fn run(mut self) -> Result<Finished, StartError> {
        loop {
            self.take_messages();
            if self.report.is_some() || self.lost.is_some() {
                break;
            }
            let event = self.next_event().await;
            self.handle(event);
        }
        let wall = self.started.elapsed();
        if self.report.is_none()
            && let Some(cgroup) = self.guard.cgroup()
        {
            cgroup.kill(); // nobody inside did it
        }
        let leftover = self.drain().await;
        let oom_kills = self.guard.cgroup().map_or(0, super::cgroup::Cgroup::oom_kills);
        let said = self.lost.take().unwrap_or_default();
        let outcome = self.outcome(oom_kills);
        self.guard.bury().await;
        let (_, usage, _) = self.report.unwrap_or((Status::Exited(0), TreeUsage::default(), None));
        let result = outcome.map(|outcome| Finished {
            outcome,
            stdout: self.recorded.0.finish(),
            stderr: self.recorded.1.finish(),
            usage: usage_of(usage, wall),
            protection: self.protection,
        });
        drop(self.requests); // a session must not wait for an answer to what is asked from now on
        drop(self.usage_replies);
        drop(self.inputs);
        if let Some(chunks) = self.chunks {
            for chunk in leftover {
                if chunks.send(chunk).await.is_err() {
                    break;
                }
            }
        }
        result.ok_or(StartError::Helper { detail: said })
    }

    /// A limit wins over an order of ours, and that over how the program ended.
    fn outcome(&self, oom_kills: u64) -> Option<Outcome> {
        let limit = self.report.and_then(|(_, _, limit)| limit);
        if oom_kills > 0 || limit == Some(Limit::Memory) {
            return Some(Outcome::MemoryLimit);
        }
        if limit == Some(Limit::Cpu) {
            return Some(Outcome::CpuLimit);
        }
        if self.ending.is_some() {
            return self.ending;
        }
        let (status, usage, _) = self.report?;
        Some(match status {
            Status::Exited(code) => Outcome::Exited { code },
            // RLIMIT_CPU, should it be faster than the watch.
            Status::Signaled(libc::SIGXCPU | libc::SIGKILL)
                if self.policy.cpu.is_some_and(|limit| Duration::from_micros(usage.cpu_us) >= limit) =>
            {
                Outcome::CpuLimit
            }
            Status::Signaled(signal) => Outcome::Signaled { signal },
        })
    }

    fn take_messages(&mut self) {
        while let Some(message) = self.messages.pop_front() {
            match message {
                Message::Usage(usage) => {
                    let usage = usage_of(usage, self.started.elapsed());
                    for reply in self.usage_replies.drain(..) {
                        reply.send(usage).ok(); // whoever asked may have gone
                    }
                }
                Message::Final { status, usage, limit } => self.report = Some((status, usage, limit)),
                Message::InitDied { detail } => self.lost = Some(format!("its first process died: {detail}")),
                Message::Setup { stage, detail } => self.lost = Some(format!("{stage}: {detail}")),
                Message::Layer(_)
                | Message::LayerMissing { .. }
                | Message::ExecFailed { .. }
                | Message::Started => {
                    self.lost = Some("it reported out of order".to_owned());
                }
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let Self {
            control, stdin, stdout, stderr, inputs, requests, chunks, phase, phase_ends, cancel, ..
        } = self;
        tokio::select! {
            _ = control.readable() => Event::Control,
            () = writable(stdin.as_ref()), if !inputs.is_empty() => Event::Stdin,
            event = output(stdout.as_ref(), chunks.as_ref()) => event,
            () = readable(stderr.as_ref()) => Event::Stderr,
            request = next_request(requests.as_mut()) => Event::Request(request),
            () = sleep_until(*phase_ends) => Event::PhaseEnds,
            () = cancel.cancelled(), if *phase == Phase::Running => Event::Cancelled,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Control => match self.receive() {
                Ok(true) => {}
                Ok(false) => self.lost = Some("it ended without a report".to_owned()),
                Err(e) => self.lost = Some(format!("it cannot be understood: {e}")),
            },
            Event::Stdin => self.write_input(),
            Event::Stdout(permit) => {
                if let (Some(permit), Some(count)) = (permit, self.read_stdout()) {
                    permit.send(self.piece[..count].to_vec());
                }
                if self.stdout.is_none() {
                    self.chunks = None; // the session sees the end now, though the program may live on
                }
            }
            Event::ChunksClosed => self.chunks = None,
            Event::Stderr => {
                self.read_stderr();
            }
            Event::Request(request) => self.obey(request),
            Event::PhaseEnds => match self.phase {
                Phase::Running => self.terminate(Outcome::TimedOut),
                Phase::Terminating => self.kill(),
                Phase::Killing => self.lost = Some("it did not obey the order to kill".to_owned()),
            },
            Event::Cancelled => self.terminate(Outcome::Cancelled),
        }
    }

    fn obey(&mut self, request: Option<Request>) {
        match request {
            Some(Request::Write(bytes, reply))
                if self.stdin.is_some() && self.inputs.len() < INPUTS_WAITING =>
            {
                self.inputs.push_back(Input { bytes, reply: Some(reply), ..Input::default() });
            }
            Some(Request::Write(_, reply)) => {
                reply.send(Err(io::ErrorKind::BrokenPipe.into())).ok();
            }
            Some(Request::CloseStdin) => self.inputs.push_back(Input { is_last: true, ..Input::default() }),
            Some(Request::Usage(reply)) => {
                self.usage_replies.retain(|reply| !reply.is_closed());
                self.usage_replies.push(reply);
                self.order(Command::Usage);
            }
            Some(Request::Kill) => {
                self.ending.get_or_insert(Outcome::Cancelled);
                self.kill();
            }
            None => {
                // The session was dropped.
                self.requests = None;
                self.ending.get_or_insert(Outcome::Cancelled);
                self.kill();
            }
        }
    }

    fn terminate(&mut self, why: Outcome) {
        self.ending.get_or_insert(why);
        if self.policy.grace.is_zero() {
            return self.kill();
        }
        self.order(Command::Terminate);
        self.phase = Phase::Terminating;
        self.phase_ends = Instant::now() + self.policy.grace.min(LONGEST_PHASE);
    }

    fn kill(&mut self) {
        if self.phase == Phase::Killing {
            return;
        }
        self.order(Command::Kill);
        self.phase = Phase::Killing;
        self.phase_ends = Instant::now() + KILL_TIMEOUT;
    }

    /// One byte always fits a socket that is read; if it is not, the phase's end decides.
    fn order(&self, command: Command) {
        self.control.try_write(&[command.to_byte()]).ok();
    }

    fn write_input(&mut self) {
        let (Some(stdin), Some(input)) = (&self.stdin, self.inputs.front_mut()) else {
            return self.inputs.clear();
        };
        let rest = &input.bytes[input.written..];
        match if rest.is_empty() { Ok(0) } else { stdin.try_write(rest) } {
            Ok(count) => input.written += count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            Err(e) => {
                // The program has closed its input, as it may.
                self.stdin = None;
                for reply in self.inputs.drain(..).filter_map(|input| input.reply) {
                    reply.send(Err(e.kind().into())).ok();
                }
                return;
            }
        }
        if input.written == input.bytes.len()
            && let Some(input) = self.inputs.pop_front()
        {
            if input.is_last {
                self.stdin = None;
                self.inputs.clear();
            }
            if let Some(reply) = input.reply {
                reply.send(Ok(())).ok();
            }
        }
    }

    /// How many bytes are in `piece` now; None if there was nothing.
    fn read_stdout(&mut self) -> Option<usize> {
        let count = read(&mut self.stdout, &mut self.piece)?;
        self.recorded.0.push(&self.piece[..count]);
        // A session's output is taken piece by piece by the caller, who also sets the pace.
        if !self.is_session && self.recorded.0.is_over_hard_stop() {
            self.ending.get_or_insert(Outcome::OutputLimit);
            self.kill();
        }
        Some(count)
    }

    fn read_stderr(&mut self) -> Option<usize> {
        let count = read(&mut self.stderr, &mut self.piece)?;
        self.recorded.1.push(&self.piece[..count]);
        if self.recorded.1.is_over_hard_stop() {
            self.ending.get_or_insert(Outcome::OutputLimit);
            self.kill();
        }
        Some(count)
    }

    /// Reads what is left in the pipes; a session's part of it is returned. All writers are dead, so this
    /// is at most what a pipe holds, unless a process escaped, which only the time limit then bounds.
    async fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut leftover = Vec::new();
        let end = Instant::now() + DRAIN_TIMEOUT;
        while self.stdout.is_some() || self.stderr.is_some() {
            tokio::select! {
                () = readable(self.stdout.as_ref()) => {
                    if let Some(count) = self.read_stdout()
                        && self.chunks.is_some()
                        && leftover.len() < PIECE_BYTES
                    {
                        leftover.push(self.piece[..count].to_vec());
                    }
                }
                () = readable(self.stderr.as_ref()) => {
                    self.read_stderr();
                }
                () = sleep_until(end) => break,
            }
        }
        leftover
    }

    /// What a failed helper wrote, e.g. the message of a panic.
    fn helper_stderr(&mut self) -> String {
        let count = read(&mut self.stderr, &mut self.piece).unwrap_or(0);
        String::from_utf8_lossy(self.piece[..count.min(2048)].trim_ascii()).into_owned()
    }
}

fn with_what_it_wrote(error: StartError, said: &str) -> StartError {
    if let StartError::Helper { detail } = &error
        && !said.is_empty()
    {
        return StartError::Helper { detail: format!("{detail}; it wrote: {said}") };
    }
    error
}

fn usage_of(usage: TreeUsage, wall: Duration) -> Usage {
    Usage { wall, cpu: Duration::from_micros(usage.cpu_us), peak_memory_bytes: usage.peak_memory_bytes }
}

/// Sets the pipe to None at its end.
fn read(pipe: &mut Option<pipe::Receiver>, piece: &mut [u8]) -> Option<usize> {
    match pipe.as_ref()?.try_read(piece) {
        Ok(0) => *pipe = None,
        Ok(count) => return Some(count),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
        Err(_) => *pipe = None,
    }
    None
}

async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // An error shows again at the read that follows.
        Some(pipe) => drop(pipe.readable().await),
        None => pending().await,
    }
}

async fn writable(pipe: Option<&pipe::Sender>) {
    if let Some(pipe) = pipe {
        drop(pipe.writable().await); // as above
    }
}

async fn output(pipe: Option<&pipe::Receiver>, chunks: Option<&mpsc::Sender<Vec<u8>>>) -> Event {
    let permit = match chunks {
        None => None,
        Some(chunks) => match chunks.clone().reserve_owned().await {
            Ok(permit) => Some(permit),
            Err(_) => return Event::ChunksClosed,
        },
    };
    readable(pipe).await;
    Event::Stdout(permit)
}

async fn next_request(requests: Option<&mut mpsc::Receiver<Request>>) -> Option<Request> {
    match requests {
        Some(requests) => requests.recv().await,
        None => pending().await,
    }
}
