//! `proofloop selfdebug`: learning from one's own failures, in a folder that a run can be taken up in again.

mod outcome;

use super::compute::{DeviceName, DtypeName};
use super::exit::{Exit, UsageError};
use super::farm::{self, JudgingArgs};
use super::generator::ServerArgs;
use super::{equipment, setup};
use crate::generate::Generator;
use crate::selfdebug::settings::{Language, RlAlgorithm, Settings, Shaping, Teacher};
use crate::selfdebug::{self, Record, RunFolder};
use crate::selfplay::Equipment;
use anyhow::Context;
use proofloop_datasets::{Format, Options, Problem, Split, programs, readers, workbook};
use proofloop_sandboxes::process::Launcher;
use proofloop_verifiers::candidate::Kind;
use proofloop_verifiers::install;
use proofloop_verifiers::python::Guest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program of the workbook takes milliseconds; one that does not end is to be told so soon.
const PYTHON_TIMEOUT: Duration = Duration::from_secs(2);

/// What `run.toml` calls the problems that ship with us.
const BUNDLED: &str = "the bundled workbook";

/// Arguments of `proofloop selfdebug`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Without arguments: a nano model is made from nothing and learns to write small Python functions; it then tries, is told which
test failed, explains and refines; it learns from the refinements that the tests accept (SFT) and from all of them by their
rewards (RL). Held-out tasks are evaluated with each of the three models: pass@1, pass@1 after one refinement, and what further
samples for as many tokens would have come to.

DIR then has
  run.toml         every setting, and the versions
  store.sqlite     tasks, turns, verdicts, examples
  checkpoints/     the models: 000 base, 001 behind the SFT, the last behind the RL, as Hugging Face has them
  events.jsonl     what happened when
  results.json     what is printed, with every number

The same command goes on where an earlier one in DIR ended, whatever ended it (also `kill -9`), and `--run DIR` alone does so
with the settings that are there. On a CPU the result is that of a run that was not interrupted.

With --server, that model explains and refines in place of the one that learns: with `--api chat` it is asked in words, else it
goes on from the text of the tries. A run goes on with the teacher that it began with. If it is killed while the teacher answers,
all of that stage is asked again, and what a server answers then may differ.

Exit code: 0 the run is at its end, 2 usage or input error, 3 infrastructure failure (the run can be gone on with),
130 interrupted (the same).")]
pub(super) struct Args {
    /// Where everything goes; by default runs/selfdebug-KIND-seedN
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Install what is missing first, as `proofloop setup` does
    #[arg(long)]
    setup: bool,
    #[command(flatten)]
    rules: RuleArgs,
    /// Where to compute: cpu, cuda, cuda:N
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// What the weights are kept in; by default f32 on a CPU, else bf16
    #[arg(long, value_enum)]
    dtype: Option<DtypeName>,
    // Who explains and refines what the SFT learns, if not the model itself.
    #[command(flatten)]
    teacher: ServerArgs,
    #[command(flatten)]
    judging: JudgingArgs,
}

/// What makes a run another run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct RuleArgs {
    /// What is written and judged [default: python]
    #[arg(long, value_enum)]
    kind: Option<Language>,
    /// Every rule, as TOML: the `[settings]` of a run.toml
    #[arg(long, value_name = "FILE.toml", conflicts_with = "kind")]
    settings: Option<PathBuf>,
    /// Problems with train and held-out ones, in the workbooks' JSONL; by default the bundled ones
    #[arg(long, value_name = "FILE.jsonl")]
    problems: Option<PathBuf>,
    /// All chance follows from it [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Tasks with planted bugs that are drawn to train on
    #[arg(long, value_name = "NUMBER")]
    planted: Option<usize>,
    /// Of these, held out
    #[arg(long, value_name = "NUMBER")]
    planted_held_out: Option<usize>,
    /// Train on so many of the problems only, by chance
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// First tries of each held-out task; 0 for no evaluation
    #[arg(long, value_name = "NUMBER")]
    eval_samples: Option<usize>,
    /// Refine without explaining first
    #[arg(long)]
    direct: bool,
    /// How advantages are computed in the RL
    #[arg(long, value_enum)]
    algorithm: Option<RlAlgorithm>,
    /// What the RL rewards
    #[arg(long, value_enum)]
    shaping: Option<Shaping>,
    /// Rounds of RL; 0 for none
    #[arg(long, value_name = "NUMBER")]
    iterations: Option<u32>,
    /// Weigh refinements by exp(r / TAU) in the SFT, failed ones too (RISE)
    #[arg(long, value_name = "TAU")]
    rise_tau: Option<f64>,
    /// The model to begin with instead of random weights: a Hugging Face folder
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

impl RuleArgs {
    fn is_empty(&self) -> bool {
        let Self {
            kind,
            settings,
            problems,
            seed,
            planted,
            planted_held_out,
            limit,
            eval_samples,
            direct,
            algorithm,
            shaping,
            iterations,
            rise_tau,
            model,
        } = self;
        let paths = settings.is_none() && problems.is_none() && model.is_none();
        let numbers = seed.is_none() && planted.is_none() && planted_held_out.is_none() && limit.is_none();
        let rl = algorithm.is_none() && shaping.is_none() && iterations.is_none() && rise_tau.is_none();
        paths && numbers && rl && kind.is_none() && eval_samples.is_none() && !direct
    }

    /// The rules that were asked for.
    fn resolve(&self, teacher: Option<Teacher>) -> anyhow::Result<Settings> {
        let mut settings = match &self.settings {
            Some(path) => equipment::read_settings(path)?,
            None => Settings::nano(self.kind.unwrap_or(Language::Python), 0),
        };
        settings.seed = self.seed.unwrap_or(settings.seed);
        settings.explain &= !self.direct;
        let tasks = &mut settings.tasks;
        tasks.planted = self.planted.unwrap_or(tasks.planted);
        tasks.planted_held_out = self.planted_held_out.unwrap_or(tasks.planted_held_out);
        tasks.limit = self.limit.or(tasks.limit);
        settings.evaluation.samples = self.eval_samples.unwrap_or(settings.evaluation.samples);
        settings.sft.rise_tau = self.rise_tau.or(settings.sft.rise_tau);
        settings.collect.teacher = teacher.unwrap_or(settings.collect.teacher);
        if let Some(rl) = &mut settings.rl {
            rl.algorithm = self.algorithm.unwrap_or(rl.algorithm);
            rl.shaping = self.shaping.unwrap_or(rl.shaping);
            rl.iterations = self.iterations.unwrap_or(rl.iterations);
        }
        settings.rl = settings.rl.filter(|rl| rl.iterations > 0);
        if let Some(model) = &self.model {
            let cannot = || UsageError(format!("cannot use the model `{}`", model.display()));
            settings.base.model = Some(model.canonicalize().with_context(cannot)?);
        }
        settings.check()?;
        Ok(settings)
    }
}

impl Args {
    /// Who teaches, if somebody else does.
    fn teacher(&self) -> Option<Teacher> {
        let teacher = if self.teacher.is_chat() { Teacher::Chat } else { Teacher::Server };
        self.teacher.server.is_some().then_some(teacher)
    }

    /// A run that was begun with one teacher goes on with no other.
    fn check_teacher(&self, of_run: Teacher) -> Result<(), UsageError> {
        match (of_run, self.teacher()) {
            (Teacher::Own, None) => Ok(()),
            (of_run, Some(given)) if of_run == given => Ok(()),
            (Teacher::Own, Some(_)) => {
                Err(UsageError("this run teaches itself: leave --server out, or begin another".to_owned()))
            }
            (Teacher::Server, _) => {
                Err(UsageError("a server teaches this run: give --server with --api completions".to_owned()))
            }
            (Teacher::Chat, _) => {
                Err(UsageError("a chat teaches this run: give --server with --api chat".to_owned()))
            }
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (folder, problems) = open(&args)?;
    args.check_teacher(folder.settings().collect.teacher)?;
    let language = folder.settings().language;
    if args.setup {
        let (launcher, home) = (Launcher::current_exe(), install::home());
        match language {
            Language::Python => setup::python(&launcher, &home, Guest::default()).await?,
            Language::Lean if args.judging.project.is_none() => setup::lean(&launcher, &home, false).await?,
            Language::Lean => {}
        }
    }
    let teacher = args.teacher.open()?;
    let teacher = teacher.as_ref().map(|teacher| teacher as &dyn Generator);
    let compute = equipment::compute(args.device, args.dtype)?;
    let settings = judging(language, &args.judging);
    let kinds = BTreeSet::from([kind(language)]);
    let debug = async |equipment: &Equipment| selfdebug::run(&folder, &problems, equipment, teacher).await;
    equipment::with(folder.path(), (&settings, &kinds), compute, debug).await?;
    outcome::tell(&folder)?;
    Ok(Exit::Success)
}

fn kind(language: Language) -> Kind {
    match language {
        Language::Python => Kind::Python,
        Language::Lean => Kind::Lean,
    }
}

fn judging(language: Language, args: &JudgingArgs) -> farm::Settings {
    match language {
        Language::Python => args.with_timeout(PYTHON_TIMEOUT).settings(Guest::default(), None),
        Language::Lean => equipment::proof_judging(args),
    }
}

/// The folder of the run that was meant, and its problems.
fn open(args: &Args) -> anyhow::Result<(RunFolder, Vec<Problem>)> {
    let there = args.run.as_deref().map(Record::read).transpose()?.flatten();
    let (settings, source) = match there {
        Some(record) if args.rules.is_empty() => {
            let file = (record.problems != BUNDLED).then(|| PathBuf::from(&record.problems));
            (record.settings, file)
        }
        Some(_) | None => {
            let cannot = |path: &Path| UsageError(format!("cannot read the problems `{}`", path.display()));
            let whole = |path: &PathBuf| path.canonicalize().with_context(|| cannot(path));
            let file = args.rules.problems.as_ref().map(whole).transpose()?;
            (args.rules.resolve(args.teacher())?, file)
        }
    };
    let problems = read(settings.language, source.as_deref())?;
    let path = args.run.clone().unwrap_or_else(|| default_folder(&settings));
    let name = source.map_or_else(|| BUNDLED.to_owned(), |path| path.display().to_string());
    let record = Record::new(settings, &problems, &name);
    Ok((RunFolder::open(&path, record)?, problems))
}

fn default_folder(settings: &Settings) -> PathBuf {
    let language = match settings.language {
        Language::Python => "python",
        Language::Lean => "lean",
    };
    Path::new("runs").join(format!("selfdebug-{language}-seed{}", settings.seed))
}

fn read(language: Language, file: Option<&Path>) -> anyhow::Result<Vec<Problem>> {
    let format = match language {
        Language::Python => Format::Functions,
        Language::Lean => Format::LeanJsonl,
    };
    let bundled = |of: fn(Split) -> Vec<Problem>| {
        [Split::Train, Split::Valid, Split::Test].into_iter().flat_map(of).collect()
    };
    match (file, language) {
        (Some(path), _) => {
            let problems = readers::open(path, format, &Options::default())?;
            Ok(problems.collect::<Result<Vec<_>, _>>()?)
        }
        (None, Language::Python) => Ok(bundled(programs::problems)),
        (None, Language::Lean) => Ok(bundled(workbook::problems)),
    }
}
