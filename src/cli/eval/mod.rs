//! `proofloop eval`: pass@k of any generator, or of samples made elsewhere, on any data set.

mod inputs;
mod outcome;
mod progress;

use super::exit::Exit;
use super::farm::{self, GuestName, JudgingArgs};
use super::generator::{GeneratorArgs, SamplingArgs};
use super::isabelle::IsabelleArgs;
use super::problem_source::{ProblemArgs, Selected};
use super::{setup, signals};
use crate::evaluate::prompt::PromptFamily;
use crate::evaluate::{Drawing, Judging, Missing, Session, Settings};
use crate::folder::{Record, RunFolder};
use crate::generate::Sampling;
use progress::Shown;
use proofloop_datasets::Problem;
use proofloop_datasets::store::EvaluationStore;
use proofloop_sandboxes::process::Launcher;
use proofloop_verifiers::candidate::Kind;
use proofloop_verifiers::farm::Farm;
use proofloop_verifiers::install;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Samples come in bursts, and a unit of Lean takes seconds to start: so it waits for more of them.
const LINGER: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

/// For tasks of human-eval's and MBPP's kind: human-eval gives 3 s to a native interpreter, and the guest is slower. A sleep
/// counts as if it were slept, so this is also the longest that a program may sleep.
const SHORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The store in an evaluation's folder.
pub(super) const STORE: &str = "evaluation.sqlite";

/// Arguments of `proofloop eval`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
DIR then has
  run.toml           what the evaluation is of
  evaluation.sqlite  problems, samples, verdicts
  samples.jsonl      every sample with its verdict: human-eval's fields and ours
  results.json       lm-evaluation-harness's layout, and under `proofloop` everything with its intervals
  report.html        the evaluation on one page

The same command goes on where an earlier one ended, whatever ended it (also `kill -9`): samples that are there are not drawn
again, and verdicts stay. With a larger --samples it adds to them.

FILE of --samples-from is JSONL, or a JSON array, of {\"task_id\", …} with one of `completion` (what follows the statement or
the prompt), `solution`, `code`, `full_code`, `proof` (a whole file or program), `model_outputs`, `output`, `response` (what a
model wrote, read as --prompts says); `name`, `problem_id`, `custom_id` or `id` may stand for `task_id`, and a list for a text.

A sample that could not be judged, because the infrastructure failed, is never counted as failed: the evaluation is then
incomplete, and says so.

Exit code: 0 complete, 2 usage or input error (good records are still judged), 3 incomplete or infrastructure failure (the
same command goes on), 130 interrupted (the same).")]
pub(super) struct Args {
    /// Where everything goes
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    problems: ProblemArgs,
    /// Samples of each problem
    #[arg(long, value_name = "NUMBER", default_value = "8", conflicts_with = "samples_from")]
    samples: NonZeroU32,
    /// Answers of a sample: a wrong one is answered again, knowing what was wrong, until so many were given
    #[arg(long, value_name = "NUMBER", default_value = "1", conflicts_with = "samples_from",
        value_parser = clap::value_parser!(u32).range(1..=16))]
    turns: u32,
    /// Budgets for which pass@k is told; by default 1 and all samples
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    k: Vec<NonZeroU32>,
    /// Judge the samples of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "server"])]
    samples_from: Option<PathBuf>,
    /// How a model is asked and its answer read: a family that is built in, or a TOML file with a template beside it
    /// [default: plain for Lean, humaneval or mbpp-few-shot for Python]
    #[arg(long, value_name = "FAMILY")]
    prompts: Option<String>,
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Install what is missing first, as `proofloop setup` does
    #[arg(long)]
    setup: bool,
    /// The Python guest
    #[arg(long, value_enum, default_value = "python3.12")]
    guest: GuestName,
    /// Judge everything anew and remember nothing besides what is in DIR
    #[arg(long)]
    no_cache: bool,
    /// Print results.json instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    generator: GeneratorArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    judging: JudgingArgs,
    #[command(flatten)]
    isabelle: IsabelleArgs,
}

/// Runs the command.
pub(super) async fn run(mut args: Args) -> anyhow::Result<Exit> {
    if args.samples_from.is_none() {
        args.generator.check()?;
    }
    let selected = args.problems.read()?;
    inputs::check_problems(&selected.problems)?;
    if selected.problems.iter().all(inputs::is_short) {
        args.judging = args.judging.with_timeout(SHORT_TIMEOUT);
    }
    let family = inputs::family(&args, &selected.problems)?;
    let evaluation = Evaluation::open(&args, selected, family.as_ref())?;
    let mut exit = Exit::Success;
    if let Some(path) = &args.samples_from {
        exit = exit.max(inputs::take_samples(&evaluation.store, &evaluation.problems, path)?);
    }
    if args.setup {
        evaluation.set_up(&args).await?;
    }
    let cancel = signals::cancellation();
    let missing = evaluation.run(&args, family.as_ref(), &cancel).await?;
    let told = outcome::tell(&evaluation, &args, &missing)?;
    Ok(exit.max(told))
}

/// What is evaluated, and where.
struct Evaluation {
    folder: RunFolder<Settings>,
    store: Mutex<EvaluationStore>,
    problems: Vec<Problem>,
    few_shot: Vec<Problem>,
    /// What the data set is called.
    task: String,
    /// What was done to it before.
    notes: Vec<String>,
    sampling: Sampling,
}

impl Evaluation {
    fn open(args: &Args, selected: Selected, family: Option<&PromptFamily>) -> anyhow::Result<Self> {
        let mut sampling = Sampling::from(&args.sampling);
        let stops = family.map(PromptFamily::stop).unwrap_or_default();
        let new: Vec<String> = stops.iter().filter(|stop| !sampling.stop.contains(stop)).cloned().collect();
        sampling.stop.extend(new);
        sampling.check()?;
        let settings = Settings {
            source: inputs::source(args, family, &sampling)?,
            judging: Judging {
                timeout_ms: u64::try_from(args.judging.timeout().as_millis()).unwrap_or(u64::MAX),
                memory_bytes: args.judging.memory_bytes(),
            },
        };
        let Selected { problems, record: of, broken: _ } = selected;
        let folder = RunFolder::open(&args.run, Record::new(settings, &problems, &inputs::words(&of)))?;
        let store = Mutex::new(inputs::store(&folder, &problems)?);
        let few_shot = inputs::few_shot(args, family);
        Ok(Self {
            folder,
            store,
            few_shot,
            task: inputs::task(&of),
            notes: inputs::notes(&of),
            problems,
            sampling,
        })
    }

    fn kinds(&self) -> BTreeSet<Kind> {
        self.problems.iter().filter_map(|problem| inputs::judge(&problem.kind)).collect()
    }

    async fn set_up(&self, args: &Args) -> anyhow::Result<()> {
        let (launcher, home) = (Launcher::current_exe(), install::home());
        if self.kinds().contains(&Kind::Lean) && args.judging.project.is_none() {
            setup::lean(&launcher, &home, false).await?;
        }
        if self.kinds().contains(&Kind::Python) {
            setup::python(&launcher, &home, args.guest.into()).await?;
        }
        Ok(())
    }

    /// Draws and judges what is missing.
    async fn run(
        &self,
        args: &Args,
        family: Option<&PromptFamily>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Missing> {
        let wanted = args.samples_from.is_none().then_some(args.samples.get());
        let (undrawn, open) = {
            let store = self.store.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let undrawn = wanted.map(|samples| store.missing(samples)).transpose()?.unwrap_or_default();
            let count: usize = undrawn.iter().flat_map(|(_, gaps)| gaps).map(ExactSizeIterator::len).sum();
            (count as u64, store.open_count()?)
        };
        let has_turns = args.turns > 1;
        if undrawn == 0 && open == 0 && !has_turns {
            return Ok(Missing::default());
        }
        let generator = match undrawn {
            0 if !has_turns => None,
            _ => {
                Some(args.generator.clone().with_system(family.and_then(PromptFamily::system)).open().await?)
            }
        };
        let farm = Arc::new(self.farm(args, cancel).await?);
        let shown = Shown::new(undrawn, open);
        let session = Session {
            store: &self.store,
            problems: &self.problems,
            family,
            farm: Arc::clone(&farm),
            tell: &|progress| shown.tell(progress),
            cancel,
        };
        let drawing = generator.as_deref().zip(family).map(|(generator, family)| Drawing {
            generator,
            family,
            as_messages: args.generator.is_chat(),
            few_shot: &self.few_shot,
            samples: args.samples.get(),
            seed: args.seed,
            sampling: &self.sampling,
        });
        let mut result = session.run(drawing).await;
        if let (Ok(missing), Some(drawing), true) = (&mut result, drawing, has_turns) {
            match session.run_turns(drawing, args.turns).await {
                Ok(later) => {
                    missing.unavailable += later.unavailable;
                    missing.undrawn.extend(later.undrawn);
                    missing.cause = later.cause.or(missing.cause.take());
                }
                Err(error) => result = Err(error),
            }
        }
        shown.finish();
        drop(session);
        // What it started ends before this does.
        if let Some(farm) = Arc::into_inner(farm) {
            if result.is_err() {
                farm.cancellation().cancel();
            }
            farm.close().await;
        }
        Ok(result?)
    }

    async fn farm(&self, args: &Args, cancel: &CancellationToken) -> anyhow::Result<Farm> {
        let cache = (!args.no_cache).then(|| install::home().join("cache"));
        let judging = args.judging.settings(args.guest.into(), cache);
        let isabelle = args.isabelle.clone();
        let settings = farm::Settings { linger: LINGER, patience: PATIENCE, isabelle, ..judging };
        let farm = farm::start(&settings, &self.kinds()).await?;
        let (signal, token) = (cancel.clone(), farm.cancellation());
        tokio::spawn(async move {
            signal.cancelled().await;
            token.cancel();
        });
        Ok(farm)
    }
}
