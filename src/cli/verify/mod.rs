//! `proofloop verify`: judge candidates from files or standard input.

mod human;
pub(super) mod input;
mod python_file;

use super::exit::{Exit, UsageError};
use super::farm::{self, GuestName, JudgingArgs, Settings};
use super::isabelle::IsabelleArgs;
use super::{output, setup, signals};
use crate::records::{Named, Report};
use anyhow::Context;
use human::Summary;
use input::{Input, Inputs};
use proofloop_sandboxes::process::Launcher;
use proofloop_verifiers::candidate::Kind;
use proofloop_verifiers::farm::{Farm, Ticket};
use proofloop_verifiers::install;
use proofloop_verifiers::lean::toolchain::native;
use proofloop_verifiers::verdict::{Judgement, Verdict};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Arguments of `proofloop verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
INPUT is a `.lean` file, a `.thy` file, a `.py` file whose top-level `assert` statements are its tests, a JSONL file, or
`-` for JSONL on standard input. A JSONL record is one of
  {\"id\",\"kind\":\"lean\",\"header\"?,\"formal_statement\",\"completion\"}
  {\"id\",\"kind\":\"lean\",\"code\",\"formal_statement\"?}
  {\"id\",\"kind\":\"isabelle\",\"imports\",\"header\"?,\"formal_statement\",\"completion\"}
  {\"id\",\"kind\":\"isabelle\",\"code\"}, with \"imports\", \"header\"? and \"formal_statement\" if it must prove that
  {\"id\",\"kind\":\"python\",\"prompt\",\"completion\",\"test\",\"entry_point\"}
  {\"id\",\"kind\":\"python\",\"code\",\"tests\":[\"assert …\",…] or [{\"stdin\",\"stdout\"},…],\"setup\"?}

Exit code: 0 all accepted, 1 some not accepted, 2 usage or input error (good lines are still judged),
3 infrastructure failure, 130 interrupted, 141 nobody read the results to their end; of several the highest.")]
pub(super) struct Args {
    /// Files to judge
    #[arg(value_name = "INPUT", required_unless_present = "bundled")]
    inputs: Vec<PathBuf>,
    /// Judge the bundled core-Lean workbook with its own proofs
    #[arg(long, value_parser = ["workbook"])]
    bundled: Option<String>,
    /// Install what is missing first, as `proofloop setup` does
    #[arg(long)]
    setup: bool,
    /// Kind of records that don't say it themselves
    #[arg(long, value_parser = parse_kind)]
    kind: Option<Kind>,
    /// The Python guest
    #[arg(long, value_enum, default_value = "python3.12")]
    guest: GuestName,
    /// How results are printed
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Directory of the verdict cache; by default below proofloop's home
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Judge everything anew and remember nothing
    #[arg(long)]
    no_cache: bool,
    /// Judge everything anew, each Lean candidate in a process of its own: slow, and nothing of one can reach another
    #[arg(long, conflicts_with_all = ["cache", "mode"])]
    fresh: bool,
    #[command(flatten)]
    judging: JudgingArgs,
    #[command(flatten)]
    isabelle: IsabelleArgs,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A progress bar, a table, and the first error of each failure
    Human,
    /// One JSON object a line, in input order
    Jsonl,
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    match text {
        "lean" => Ok(Kind::Lean),
        "python" => Ok(Kind::Python),
        "isabelle" => Ok(Kind::Isabelle),
        _ => Err("expected `lean`, `python` or `isabelle`".to_owned()),
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let inputs = Inputs::check(&args.inputs, args.bundled.is_some())?;
    let settings = settings(&args);
    check_directories(&args)?;
    let kinds = inputs.kinds(args.kind);
    if args.setup {
        let launcher = Launcher::current_exe();
        if kinds.contains(&Kind::Lean) && args.judging.project.is_none() {
            setup::lean(&launcher, &settings.home, false).await?;
        }
        if kinds.contains(&Kind::Python) {
            setup::python(&launcher, &settings.home, settings.guest).await?;
        }
    }
    let mut pipeline = Pipeline::new(settings, args.format, inputs.known_count());
    let (lines, mut reading) = mpsc::channel(256);
    let kind = args.kind;
    let reader = tokio::task::spawn_blocking(move || {
        inputs.read(kind, &mut |input| lines.blocking_send(input).is_ok());
    });
    let writer = pipeline.writer.clone();
    loop {
        let input = tokio::select! {
            biased;
            // Nobody hears of what would be judged now. The reader may hang in a read: it is left to itself.
            () = writer.closed() => return pipeline.finish().await,
            input = reading.recv() => input,
        };
        match input {
            Some(input) => pipeline.take(input).await?,
            None => break,
        }
    }
    drop(writer);
    reader.await.context("the reader failed")?;
    pipeline.finish().await
}

/// Whether the directories that were given can be what they are given for: that is known before anything is judged.
fn check_directories(args: &Args) -> anyhow::Result<()> {
    if let Some(project) = &args.judging.project {
        native::project_directory(project)?;
    }
    // The cache makes its directory, but not out of a file.
    let exists = args.cache.iter().flat_map(|cache| cache.ancestors()).find(|path| path.exists());
    match exists {
        Some(file) if !file.is_dir() => {
            let text = format!("the cache can't be kept in `{}`: it is not a directory", file.display());
            Err(UsageError(text).into())
        }
        Some(_) | None => Ok(()),
    }
}

fn settings(args: &Args) -> Settings {
    let cache = || args.cache.clone().unwrap_or_else(|| install::home().join("cache"));
    let cache = (!args.no_cache && !args.fresh).then(cache);
    let settings = args.judging.settings(args.guest.into(), cache);
    Settings { fresh_processes: args.fresh, isabelle: args.isabelle.clone(), ..settings }
}

/// What will be written for a candidate.
enum Answer {
    /// The farm's.
    Ticket(Ticket),
    /// There is no farm for its kind, in words.
    NoFarm(String),
}

/// From candidates to printed judgements, in input order.
struct Pipeline {
    settings: Settings,
    /// One for each kind that has come up, or why there is none.
    farms: BTreeMap<Kind, Result<Farm, String>>,
    writer: mpsc::Sender<(String, Answer)>,
    written: tokio::task::JoinHandle<std::io::Result<Summary>>,
    cancel: tokio_util::sync::CancellationToken,
    bad_inputs: bool,
    candidates: u64,
}

impl Pipeline {
    fn new(settings: Settings, format: Format, known_count: Option<u64>) -> Self {
        let (writer, answers) = mpsc::channel(16_384);
        let cancel = signals::cancellation();
        let written = tokio::spawn(write(answers, format, known_count));
        Self { settings, farms: BTreeMap::new(), writer, written, cancel, bad_inputs: false, candidates: 0 }
    }

    async fn take(&mut self, input: Input) -> anyhow::Result<()> {
        let Named { id, candidate } = match input {
            Ok(named) => named,
            Err(bad) => {
                self.bad_inputs = true;
                output::error(&bad);
                return Ok(());
            }
        };
        if self.cancel.is_cancelled() {
            return Ok(());
        }
        self.candidates += 1;
        let kind = candidate.kind();
        let answer = match self.farm(kind).await? {
            Ok(farm) => Answer::Ticket(farm.submit(candidate).await?),
            Err(cause) => Answer::NoFarm(cause.clone()),
        };
        // A writer that stopped has an error to tell, in `finish`.
        let _stopped = self.writer.send((id, answer)).await;
        Ok(())
    }

    /// The farm of a kind, started when its first candidate comes: judging Python needs no Lean, and a Lean that is
    /// missing costs no Python candidate its verdict.
    async fn farm(&mut self, kind: Kind) -> anyhow::Result<&Result<Farm, String>> {
        if let Entry::Vacant(vacant) = self.farms.entry(kind) {
            let farm = match farm::start(&self.settings, &[kind].into()).await {
                Ok(farm) => {
                    let (signal, token) = (self.cancel.clone(), farm.cancellation());
                    tokio::spawn(async move {
                        signal.cancelled().await;
                        token.cancel();
                    });
                    Ok(farm)
                }
                Err(error) if error.chain().any(|cause| cause.is::<UsageError>()) => return Err(error),
                Err(error) => {
                    output::error(&error);
                    Err(format!("{error:#}"))
                }
            };
            vacant.insert(farm);
        }
        Ok(&self.farms[&kind])
    }

    async fn finish(self) -> anyhow::Result<Exit> {
        if self.candidates == 0 && !self.bad_inputs {
            return Err(UsageError("the input holds no candidate".to_owned()).into());
        }
        drop(self.writer);
        let closing = self.farms.into_values().filter_map(Result::ok).map(Farm::close);
        let closing = async {
            for farm in closing {
                farm.await;
            }
        };
        let writing = async {
            let written = self.written.await;
            let interrupted = self.cancel.is_cancelled();
            if !matches!(written, Ok(Ok(_))) {
                self.cancel.cancel();
            }
            (written, interrupted)
        };
        let ((written, interrupted), ()) = tokio::join!(writing, closing);
        let summary = written.context("the writer failed")?.context("cannot write the results")?;
        summary.say();
        let input = if self.bad_inputs { Exit::Input } else { Exit::Success };
        let interrupted = if interrupted { Exit::Interrupted } else { Exit::Success };
        Ok(summary.exit().max(input).max(interrupted))
    }
}

async fn write(
    mut answers: mpsc::Receiver<(String, Answer)>,
    format: Format,
    known_count: Option<u64>,
) -> std::io::Result<Summary> {
    let mut summary = Summary::new(format == Format::Human, known_count);
    while let Some((id, answer)) = answers.recv().await {
        let judgement = match answer {
            Answer::Ticket(ticket) => {
                ticket.judgement().await.unwrap_or_else(|| lost("the farm died".to_owned()))
            }
            Answer::NoFarm(cause) => lost(cause),
        };
        if format == Format::Jsonl {
            output::data(&serde_json::to_string(&Report::new(&id, &judgement))?)?;
        }
        summary.add(&id, &judgement)?;
    }
    Ok(summary)
}

/// What went wrong with the farm is no verdict on any candidate.
fn lost(cause: String) -> Judgement {
    Judgement::of_nobody(Verdict::Unavailable { cause })
}
