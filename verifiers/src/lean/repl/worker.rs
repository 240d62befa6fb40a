//! A worker: one REPL process at a time, one environment per header, a deadline per command.

use super::codec::{CodecError, Frame, ReplyDecoder};
use super::io::{End, Ended, IoError, ReplIo, ReplSource};
use super::protocol::{
    Command, CommandOptions, CommandResponse, ReplMessage, ReplSeverity, Request, Response,
};
use proofloop_sandboxes::process::Usage;
use std::io::Read as _;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

/// The kernel counts CPU time in hundredths of a second, and to ask for it wakes the process that confines the REPL while the
/// next candidate waits.
const ACCOUNT_TICK: Duration = Duration::from_millis(200);

/// Limits of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplSettings {
    /// For elaborating a header (imports), wall clock.
    pub header_timeout: Duration,
    /// For one candidate, wall clock.
    pub command_timeout: Duration,
    /// Added to either for the question that proves a reply (see the module's documentation).
    pub proof_timeout: Duration,
    /// One block of output may have this many bytes.
    pub max_reply_bytes: usize,
    /// All output for one command may have this many bytes.
    pub max_command_output_bytes: usize,
    /// A process that has written this many bytes in all is replaced before the next candidate.
    pub max_life_output_bytes: u64,
    /// A process that has judged this many candidates is replaced: its environments are never freed.
    pub max_uses: u32,
    /// A process whose peak memory has passed this many bytes is replaced before the next candidate.
    pub max_memory_bytes: u64,
    /// A process keeps the environments of at most this many headers.
    pub max_headers: usize,
}

impl Default for ReplSettings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(120),
            command_timeout: Duration::from_secs(60),
            proof_timeout: Duration::from_secs(10),
            max_reply_bytes: 16 << 20,
            max_command_output_bytes: 24 << 20,
            max_life_output_bytes: 48 << 20,
            max_uses: 1000,
            max_memory_bytes: 6 << 30,
            max_headers: 4,
        }
    }
}

/// What the REPL said about one candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplOutcome {
    /// Its reply; positions count from the beginning of the body.
    pub response: CommandResponse,
    /// From the request to the reply, header excluded.
    pub elapsed: Duration,
    /// How much text came on the REPL's output that was none of the REPL's: the candidate prints.
    pub foreign_bytes: usize,
    /// What it cost, and under what protection.
    pub ran: Ran,
}

/// What one call has cost its process, and what the process was confined by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// CPU time of the process since the account before it; the first call bears the start, and the first call under a
    /// header the header. Accounts are 200 ms apart or more: of calls in between, a later one bears the time.
    pub cpu: Duration,
    /// The most memory that the process has used so far, in bytes.
    pub peak_memory_bytes: u64,
    /// Names of the protections in force; none if no process came to be.
    pub protection: Vec<String>,
}

/// No outcome: what went wrong, and what the caller needs to decide between retry and verdict.
#[derive(Debug, Error)]
#[error("no outcome from the Lean REPL")]
pub struct ReplFailure {
    /// What went wrong.
    #[source]
    pub error: ReplError,
    /// What the process was doing.
    pub stage: Stage,
    /// How many candidates the same process had judged before: with 0, and at stage [`Stage::Candidate`], a fresh
    /// process failed on this candidate alone.
    pub earlier_candidates: u32,
    /// What it cost, and under what protection.
    pub ran: Ran,
}

impl ReplFailure {
    /// Whether an earlier candidate may have done this: the process was not fresh, and it is gone.
    #[must_use]
    pub fn may_be_the_doing_of_others(&self) -> bool {
        self.earlier_candidates > 0 && !self.error.leaves_the_process_sound()
    }
}

/// What a process was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Starting.
    Start,
    /// Elaborating the header, which is trusted: no candidate is to blame.
    Header,
    /// Elaborating the candidate.
    Candidate,
}

/// What went wrong. The process was killed and is replaced at the next call, except where stated.
#[derive(Debug, Error)]
pub enum ReplError {
    /// No process could be started, or no random bits be had.
    #[error("no Lean REPL could be started")]
    Start(#[source] IoError),
    /// The deadline passed.
    #[error("no answer within {limit:?}")]
    Timeout {
        /// The deadline.
        limit: Duration,
    },
    /// The process ended, or closed its output.
    #[error("the Lean REPL died ({ended})")]
    Died {
        /// How.
        ended: Ended,
    },
    /// Too much output.
    #[error("more than {limit_bytes} bytes of output")]
    Flooded {
        /// The bound that was passed.
        limit_bytes: usize,
    },
    /// More than one reply, or one mixed with other text: something printed what looks like a reply.
    #[error("the output holds more than the one reply that was due")]
    Ambiguous,
    /// A reply of the wrong kind or number.
    #[error("unexpected reply: {detail}")]
    Protocol {
        /// What was expected and what came.
        detail: String,
    },
    /// The header does not elaborate. The process lives on.
    #[error("the header does not elaborate: {}", first_error(messages))]
    Header {
        /// Lean's messages about it.
        messages: Vec<ReplMessage>,
    },
    /// The REPL said that it cannot do what was asked (a missing import, for instance). The process lives on.
    #[error("the Lean REPL refuses: {message}")]
    Refused {
        /// Its words.
        message: String,
    },
}

impl ReplError {
    fn leaves_the_process_sound(&self) -> bool {
        match self {
            Self::Header { .. } | Self::Refused { .. } => true,
            Self::Start(_)
            | Self::Timeout { .. }
            | Self::Died { .. }
            | Self::Flooded { .. }
            | Self::Ambiguous
            | Self::Protocol { .. } => false,
        }
    }
}

fn first_error(messages: &[ReplMessage]) -> &str {
    messages
        .iter()
        .find(|message| message.severity == ReplSeverity::Error)
        .map_or("", |message| &message.data)
}

/// A REPL that is started when needed and replaced when worn out or broken.
#[derive(Debug)]
pub struct ReplWorker<S: ReplSource> {
    source: S,
    settings: ReplSettings,
    live: Option<Live<S::Io>>,
    started: u64,
}

impl<S: ReplSource> ReplWorker<S> {
    /// A worker without a process yet.
    pub fn new(source: S, settings: ReplSettings) -> Self {
        Self { source, settings, live: None, started: 0 }
    }

    /// The limits, to be changed for the calls that follow, for instance a candidate's own deadline.
    /// [`ReplSettings::max_reply_bytes`] is taken over when the next process starts.
    pub fn settings_mut(&mut self) -> &mut ReplSettings {
        &mut self.settings
    }

    /// Whether it has a process. That may have died since the last call.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// How many processes were started so far.
    #[must_use]
    pub fn processes_started(&self) -> u64 {
        self.started
    }

    /// Elaborates `body` in the environment that `header` makes, and forgets what `body` declared. An empty header is
    /// a header, too: the body never runs in an environment that another body has touched.
    ///
    /// Dropping the future kills the process.
    ///
    /// # Errors
    /// Says nothing about the candidate by itself: see [`ReplFailure`].
    pub async fn run(&mut self, header: &str, body: &str) -> Result<ReplOutcome, ReplFailure> {
        self.run_with(header, body, &CommandOptions::default()).await
    }

    /// As [`run`](Self::run), with more in the reply than messages.
    ///
    /// # Errors
    /// As there.
    pub async fn run_with(
        &mut self,
        header: &str,
        body: &str,
        options: &CommandOptions,
    ) -> Result<ReplOutcome, ReplFailure> {
        // Taken out, so that a call that is dropped half-way drops the process as well.
        let reusable = match self.live.take() {
            Some(live) => live.kept_for(header, &self.settings).await,
            None => None,
        };
        let mut live = match reusable {
            Some(live) => live,
            None => self.start().await?,
        };
        let earlier_candidates = live.uses;
        let mut stage = Stage::Header;
        let result = live.judge(header, (body, options), &self.settings, &mut stage).await;
        let error = match result {
            Ok(outcome) => {
                let ran = live.account().await;
                self.live = Some(live);
                return Ok(ReplOutcome { ran, ..outcome });
            }
            Err(error) => error,
        };
        let (error, ran) = if error.leaves_the_process_sound() {
            let ran = live.account().await;
            self.live = Some(live);
            (error, ran)
        } else {
            let (ended, ran) = live.end().await;
            (explained(error, ended, &self.settings), ran)
        };
        Err(ReplFailure { error, stage, earlier_candidates, ran })
    }

    /// Ends the process, if there is one. The next [`run`](Self::run) starts another.
    pub async fn close(&mut self) {
        if let Some(live) = self.live.take() {
            live.io.kill().await;
        }
    }

    async fn start(&mut self) -> Result<Live<S::Io>, ReplFailure> {
        let fail = |error| ReplFailure {
            error: ReplError::Start(error),
            stage: Stage::Start,
            earlier_candidates: 0,
            ran: Ran::default(),
        };
        let questions = Questions::new().map_err(|error| fail(IoError(error.into())))?;
        let io = self.source.open().await.map_err(fail)?;
        self.started += 1;
        Ok(Live {
            io,
            decoder: ReplyDecoder::new(self.settings.max_reply_bytes),
            headers: Vec::new(),
            next_env: 0,
            uses: 0,
            output_bytes: 0,
            used: Usage::default(),
            accounted: None,
            account_asked: false,
            questions,
        })
    }
}

/// A death gets its cause, and a limit of the sandbox the name that it has here.
fn explained(error: ReplError, ended: Ended, settings: &ReplSettings) -> ReplError {
    match (error, ended) {
        (ReplError::Died { .. }, Ended::OutputLimit) => {
            ReplError::Flooded { limit_bytes: settings.max_command_output_bytes }
        }
        (ReplError::Died { .. }, ended) => ReplError::Died { ended },
        (error, _) => error,
    }
}

/// Names that nobody can know before we ask for them.
struct Questions {
    key: [u8; 32],
    asked: u64,
}

impl std::fmt::Debug for Questions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Questions").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Questions {
    fn new() -> std::io::Result<Self> {
        let mut key = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(Self { key, asked: 0 })
    }

    fn next(&mut self) -> String {
        self.asked += 1;
        let hash = blake3::keyed_hash(&self.key, &self.asked.to_le_bytes()).to_hex();
        format!("proofloop_{}", &hash[..32])
    }
}

/// One process and what is known of it.
#[derive(Debug)]
struct Live<Io> {
    io: Io,
    decoder: ReplyDecoder,
    /// Each header with its environment, or with what Lean said against it.
    headers: Vec<(String, Result<u64, Vec<ReplMessage>>)>,
    /// The number that the next environment gets. The REPL counts from 0 and never skips one.
    next_env: u64,
    uses: u32,
    output_bytes: u64,
    /// What it had used at the last account.
    used: Usage,
    /// When that was.
    accounted: Option<Instant>,
    /// Whether the next one was asked for already.
    account_asked: bool,
    questions: Questions,
}

/// A reply that was proved to be the REPL's.
struct Exchange {
    response: Response,
    elapsed: Duration,
    foreign_bytes: usize,
}

impl<Io: ReplIo> Live<Io> {
    /// Itself, if it is fit for another candidate under this header; otherwise the process is killed.
    async fn kept_for(self, header: &str, settings: &ReplSettings) -> Option<Self> {
        let knows_header = self.headers.iter().any(|(known, _)| known == header);
        let fit = self.uses < settings.max_uses
            && self.output_bytes < settings.max_life_output_bytes
            && self.used.peak_memory_bytes <= settings.max_memory_bytes
            && (knows_header || self.headers.len() < settings.max_headers);
        if fit {
            return Some(self);
        }
        self.io.kill().await;
        None
    }

    async fn judge(
        &mut self,
        header: &str,
        body: (&str, &CommandOptions),
        settings: &ReplSettings,
        stage: &mut Stage,
    ) -> Result<ReplOutcome, ReplError> {
        let env = self.header_env(header, settings).await?;
        *stage = Stage::Candidate;
        self.uses += 1;
        let exchange = self.exchange(body, Some(env), settings.command_timeout, settings).await?;
        let response = command_response(exchange.response)?;
        Ok(ReplOutcome {
            response,
            elapsed: exchange.elapsed,
            foreign_bytes: exchange.foreign_bytes,
            ran: Ran::default(),
        })
    }

    fn is_account_due(&self) -> bool {
        self.accounted.is_none_or(|at| at.elapsed() >= ACCOUNT_TICK)
    }

    /// What was used since the last account.
    async fn account(&mut self) -> Ran {
        let before = self.used;
        if std::mem::take(&mut self.account_asked) || self.is_account_due() {
            // A process that has died since says so at the next call.
            self.used = self.io.usage().await.unwrap_or(before);
            self.accounted = Some(Instant::now());
        }
        ran(before, self.used, self.io.protection())
    }

    /// Kills the process; how it ended, and its last account.
    async fn end(self) -> (Ended, Ran) {
        let (used, protection) = (self.used, self.io.protection());
        let End { ended, usage } = self.io.kill().await;
        (ended, ran(used, usage.unwrap_or(used), protection))
    }

    async fn header_env(&mut self, header: &str, settings: &ReplSettings) -> Result<u64, ReplError> {
        let known = self.headers.iter().find(|(known, _)| known == header).map(|(_, env)| env.clone());
        let env = match known {
            Some(env) => env,
            None => {
                // What a REPL makes of a command without any text is nowhere written down; this says the same, for
                // Lean imports it by itself.
                let text = if header.trim().is_empty() { "import Init" } else { header };
                let command = (text, &CommandOptions::default());
                let exchange = self.exchange(command, None, settings.header_timeout, settings).await?;
                let response = command_response(exchange.response)?;
                let has_error =
                    response.messages.iter().any(|message| message.severity == ReplSeverity::Error);
                let env = if has_error { Err(response.messages) } else { Ok(response.env) };
                self.headers.push((header.to_owned(), env.clone()));
                env
            }
        };
        env.map_err(|messages| ReplError::Header { messages })
    }

    /// Sends a command, reads its reply, and asks the question that proves it.
    async fn exchange(
        &mut self,
        (cmd, options): (&str, &CommandOptions),
        env: Option<u64>,
        limit: Duration,
        settings: &ReplSettings,
    ) -> Result<Exchange, ReplError> {
        let start = Instant::now();
        let mut foreign_bytes = 0;
        let mut room_bytes = settings.max_command_output_bytes;
        let late = |_| ReplError::Timeout { limit };
        let command = async {
            self.send(cmd, env, options).await?;
            self.reply(&mut foreign_bytes, &mut room_bytes, settings).await
        };
        let response = timeout_at(start + limit, command).await.map_err(late)??;
        let elapsed = start.elapsed();
        match &response {
            Response::Command(reply) => self.expect_env(reply)?,
            Response::Error(_) => {}
            Response::ProofStep(_) => {
                return Err(protocol("a reply about an environment was due, not a proof state"));
            }
        }
        // The question is put where the candidate's declarations cannot be seen.
        let question = self.questions.next();
        let is_candidate = env.is_some();
        let env = env.or(match &response {
            Response::Command(reply) => Some(reply.env),
            Response::Error(_) | Response::ProofStep(_) => None,
        });
        let answer = async {
            self.send(&format!("#check {question}"), env, &CommandOptions::default()).await?;
            // While the REPL answers; what the question itself costs, the next call bears.
            if is_candidate && self.is_account_due() {
                self.io.ask_usage().await;
                self.account_asked = true;
            }
            self.reply(&mut foreign_bytes, &mut room_bytes, settings).await
        };
        // From the start of the command on: a forged early reply must not make a slow candidate look stuck.
        let answer = timeout_at(start + limit + settings.proof_timeout, answer).await.map_err(late)??;
        match answer {
            Response::Command(reply)
                if reply.messages.iter().any(|message| message.data.contains(&question)) =>
            {
                self.expect_env(&reply)?;
                Ok(Exchange { response, elapsed, foreign_bytes })
            }
            Response::Command(_) | Response::ProofStep(_) | Response::Error(_) => Err(ReplError::Ambiguous),
        }
    }

    fn expect_env(&mut self, reply: &CommandResponse) -> Result<(), ReplError> {
        if reply.env != self.next_env {
            return Err(protocol(&format!("environment {} was due, not {}", self.next_env, reply.env)));
        }
        self.next_env += 1;
        Ok(())
    }

    async fn send(&mut self, cmd: &str, env: Option<u64>, options: &CommandOptions) -> Result<(), ReplError> {
        let request = Command { cmd: cmd.to_owned(), env, options: options.clone() };
        let bytes = Request::Command(request).encode().map_err(|error| protocol(&error.to_string()))?;
        // A process that does not take its input any more is dead or dying; how it ended is found out at the kill.
        self.io.write(&bytes).await.map_err(|_dead| ReplError::Died { ended: Ended::Killed })
    }

    async fn reply(
        &mut self,
        foreign_bytes: &mut usize,
        room_bytes: &mut usize,
        settings: &ReplSettings,
    ) -> Result<Response, ReplError> {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(Frame::Reply { response, foreign_bytes: bytes })) => {
                    *foreign_bytes += bytes;
                    return Ok(*response);
                }
                Ok(Some(Frame::Foreign { bytes })) => {
                    *foreign_bytes += bytes;
                    continue;
                }
                Ok(None) => {}
                Err(CodecError::TooLong { limit_bytes }) => return Err(ReplError::Flooded { limit_bytes }),
                Err(CodecError::Ambiguous) => return Err(ReplError::Ambiguous),
            }
            let piece = self.io.read().await.ok_or(ReplError::Died { ended: Ended::Killed })?;
            self.output_bytes = self.output_bytes.saturating_add(piece.len() as u64);
            *room_bytes = room_bytes
                .checked_sub(piece.len())
                .ok_or(ReplError::Flooded { limit_bytes: settings.max_command_output_bytes })?;
            self.decoder.push(&piece);
        }
    }
}

fn ran(before: Usage, after: Usage, protection: Vec<String>) -> Ran {
    let cpu = after.cpu.saturating_sub(before.cpu);
    Ran { cpu, peak_memory_bytes: after.peak_memory_bytes, protection }
}

fn command_response(response: Response) -> Result<CommandResponse, ReplError> {
    match response {
        Response::Command(response) => Ok(response),
        Response::Error(error) => Err(ReplError::Refused { message: error.message }),
        Response::ProofStep(_) => Err(protocol("a reply about an environment was due, not a proof state")),
    }
}

fn protocol(detail: &str) -> ReplError {
    ReplError::Protocol { detail: detail.to_owned() }
}
