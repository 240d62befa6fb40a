//! `proofloop selfplay`: the loop, in a folder that a run can be taken up in again.

pub(super) mod inputs;
mod outcome;
mod state;
pub(super) mod view;

use super::compute::{DeviceName, DtypeName};
use super::exit::{Exit, UsageError};
use super::farm::{self, JudgingArgs};
use super::isabelle::IsabelleArgs;
use super::{equipment, output, report, setup};
use crate::selfplay::presets::Preset;
use crate::selfplay::prover::Prover;
use crate::selfplay::settings::{Ablation, Settings};
use crate::selfplay::{self, Compute, Equipment, Record, RunFolder};
use anyhow::Context;
use proofloop_datasets::Problem;
use proofloop_sandboxes::process::Launcher;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Arguments of `proofloop selfplay`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Without arguments: a nano model is made from nothing, learns 40 % of the bundled workbook's training proofs, plays, and is
evaluated on the workbook's test problems before and after.

DIR then has
  run.toml         every setting, and the versions
  store.sqlite     problems, conjectures, samples, verdicts, examples (see `proofloop export`)
  checkpoints/     the models of the first and the last rounds, as Hugging Face has them
  events.jsonl     what happened when
  report.html      the whole run on one page (see `proofloop report`)

The same command goes on where an earlier one in DIR ended, whatever ended it (also `kill -9`), and `--run DIR` alone does so
with the settings that are there. On a CPU the result is that of a run that was not interrupted.

Exit code: 0 the run is at its end, 2 usage or input error, 3 infrastructure failure (the run can be gone on with),
130 interrupted (the same).")]
pub(super) struct Args {
    /// Where everything goes; by default runs/PRESET-seedN, with `-isabelle` behind PRESET where that is the prover
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
    #[command(flatten)]
    judging: JudgingArgs,
    #[command(flatten)]
    isabelle: IsabelleArgs,
}

/// What makes a run another run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct RuleArgs {
    /// The rules to begin from [default: nano]
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Every rule, as TOML: the `[settings]` of a run.toml
    #[arg(long, value_name = "FILE.toml", conflicts_with = "preset")]
    settings: Option<PathBuf>,
    /// The prover that is played against: lean, isabelle (PROOFLOOP_ISABELLE names its program) [default: lean]
    #[arg(long, value_enum, hide_possible_values = true)]
    prover: Option<Prover>,
    /// Problems: for Lean in DeepSeek-Prover's JSONL, by default the bundled workbook; for Isabelle in miniF2F's JSONL or in our
    /// own
    #[arg(long, value_name = "FILE.jsonl")]
    problems: Option<PathBuf>,
    /// All chance follows from it [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Rounds
    #[arg(long)]
    iterations: Option<u32>,
    /// Proofs of each statement in a round
    #[arg(long, value_name = "NUMBER")]
    samples: Option<NonZeroUsize>,
    /// Proofs of each held-out problem in an evaluation; 0 for no evaluation
    #[arg(long, value_name = "NUMBER")]
    eval_samples: Option<usize>,
    /// Share of the training problems with a published proof whose proof is shown at first
    #[arg(long, value_name = "SHARE")]
    shown_proofs: Option<f64>,
    /// Train on so many of the problems only, by chance
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Rules to switch off
    #[arg(long, value_enum, value_delimiter = ',', value_name = "RULES")]
    ablate: Vec<Ablation>,
    /// The model to begin with instead of random weights: a Hugging Face folder
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Begin with the first round, without learning the shown proofs first
    #[arg(long, requires = "model")]
    no_sft: bool,
}

impl RuleArgs {
    fn is_empty(&self) -> bool {
        let Self {
            preset,
            settings,
            prover,
            problems,
            seed,
            iterations,
            samples,
            eval_samples,
            shown_proofs,
            limit,
            ablate,
            model,
            no_sft,
        } = self;
        let paths = settings.is_none() && problems.is_none() && model.is_none();
        let numbers = seed.is_none() && iterations.is_none() && samples.is_none() && eval_samples.is_none();
        paths
            && numbers
            && preset.is_none()
            && prover.is_none()
            && shown_proofs.is_none()
            && limit.is_none()
            && ablate.is_empty()
            && !no_sft
    }

    /// The rules that were asked for.
    fn resolve(&self) -> anyhow::Result<Settings> {
        let seed = self.seed.unwrap_or(0);
        let mut settings: Settings = match &self.settings {
            Some(path) => equipment::read_settings(path)?,
            None => {
                let preset = self.preset.unwrap_or(Preset::Nano).settings(seed);
                if self.prover == Some(Prover::Isabelle) { preset.for_isabelle() } else { preset }
            }
        };
        // What a file says in one prover's language can't be said for another one here.
        if let Some(prover) = self.prover.filter(|&prover| prover != settings.prover) {
            let (asked, there) = (prover.name(), settings.prover.name());
            let text =
                format!("these settings are for {there}, and not for {asked}: see `prover` and `screening`");
            return Err(UsageError(text).into());
        }
        settings.seed = self.seed.unwrap_or(settings.seed);
        settings.iterations = self.iterations.unwrap_or(settings.iterations);
        if let Some(samples) = self.samples {
            settings.sampling.first_round = samples;
            settings.sampling.samples = samples;
        }
        if let Some(samples) = self.eval_samples {
            settings.evaluation.samples = samples;
            settings.evaluation.ks.retain(|&k| k as usize <= samples);
        }
        settings.problems.shown_proofs = self.shown_proofs.unwrap_or(settings.problems.shown_proofs);
        settings.problems.limit = self.limit.or(settings.problems.limit);
        if let Some(model) = &self.model {
            let path = model.canonicalize();
            let cannot = || UsageError(format!("cannot use the model `{}`", model.display()));
            settings.initial.model = Some(path.with_context(cannot)?);
        }
        if self.no_sft {
            settings.initial.sft = None;
        }
        self.ablate.iter().for_each(|&ablation| settings.ablate(ablation));
        settings.check().map_err(anyhow::Error::new)?;
        Ok(settings)
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (folder, problems) = open(&args)?;
    let prover = folder.settings().prover;
    // Isabelle comes from no package registry: it is there, or `PROOFLOOP_ISABELLE` says where.
    if args.setup && args.judging.project.is_none() && prover == Prover::Lean {
        let home = proofloop_verifiers::install::home();
        setup::lean(&Launcher::current_exe(), &home, false).await?;
    }
    let compute = equipment::compute(args.device, args.dtype)?;
    let judging = equipment::proof_judging(&args.judging);
    let judging = farm::Settings { isabelle: args.isabelle, ..judging };
    play(&folder, &problems, &judging, compute).await?;
    outcome::tell(&folder)?;
    let page = folder.path().join(report::PAGE);
    report::write(folder.path(), &[], &page)?;
    output::say(&format!("the whole run on one page: {}", page.display()));
    Ok(Exit::Success)
}

/// The folder of the run that was meant, and its problems.
fn open(args: &Args) -> anyhow::Result<(RunFolder, Vec<Problem>)> {
    let there = args.run.as_deref().map(Record::read).transpose()?.flatten();
    let (settings, source) = match there {
        Some(record) if args.rules.is_empty() => (record.settings, inputs::Source::named(&record.problems)),
        Some(_) | None => (args.rules.resolve()?, inputs::Source::given(args.rules.problems.as_deref())?),
    };
    let path = args.run.clone().unwrap_or_else(|| default_folder(&settings));
    let problems = source.read(settings.prover)?;
    let record = Record::new(settings, &problems, &source.name());
    Ok((RunFolder::open(&path, record)?, problems))
}

fn default_folder(settings: &Settings) -> PathBuf {
    let prover = match settings.prover {
        Prover::Lean => String::new(),
        Prover::Isabelle => format!("-{}", settings.prover.language()),
    };
    Path::new("runs").join(format!("{}{prover}-seed{}", settings.preset, settings.seed))
}

/// Runs what is left of a run, and shows it.
pub(super) async fn play(
    folder: &RunFolder,
    problems: &[Problem],
    settings: &farm::Settings,
    compute: Compute,
) -> anyhow::Result<()> {
    let kinds = BTreeSet::from([folder.settings().prover.kind()]);
    let play = async |equipment: &Equipment| selfplay::run(folder, problems, equipment).await;
    equipment::with(folder.path(), (settings, &kinds), compute, play).await
}
