//! A run from its settings to its result.

use super::super::exit::{Exit, UsageError};
use super::super::output;
use super::data::Data;
use super::folder::{Folder, Outcome};
use super::identity::Identity;
use super::log::Log;
use super::prepare::{self, Prepared};
use super::progress::Reporter;
use super::record::{Execution, Method, Record, Resolved, difference};
use super::{Args, BatchingName, ScheduleName};
use crate::model::Decoder;
use crate::train::{
    AdamWConfig, Batching, Checkpoint, Checkpoints, Decay, Finish, Plan, Schedule, Settings, TrainError,
    Trainer, part_tokens,
};
use anyhow::Context;
use std::num::{NonZeroU64, NonZeroUsize};
use tokio_util::sync::CancellationToken;

/// Runs it. Blocks.
pub(super) fn run(args: &Args, cancel: &CancellationToken) -> anyhow::Result<Exit> {
    let device = args.device.open()?;
    let identity = Identity::of(args)?;
    let (method, execution) = (Method::of(args), Execution::of(args));
    let folder = Folder::open(&args.out)?;
    let earlier = folder.record()?;
    check_same(args, &folder, earlier.as_ref(), &identity, &method)?;
    let prepared = prepare::prepare(args, &identity, &folder, &device)?;
    let data = Data::read(args, &prepared.tokenizer, &prepared.encode)?;
    if prepared.encode.eos.is_none() {
        output::say(
            "warning: config.json names no `eos_token_id`, so the model learns no end of a completion",
        );
    }
    let resolved = resolve(&identity, &method, &prepared, &data);
    let record = Record::new(identity, method, execution, resolved);
    if cancel.is_cancelled() {
        return Ok(Exit::Interrupted);
    }
    Job { record, prepared, data, folder, cancel }.train()
}

/// Whether the run that is in the folder, if there is one, is this one.
fn check_same(
    args: &Args,
    folder: &Folder,
    earlier: Option<&Record>,
    identity: &Identity,
    method: &Method,
) -> anyhow::Result<()> {
    let shown = folder.path().display();
    let problem = match earlier {
        None if args.resume => Some(format!("`{shown}` holds no run to go on with")),
        None => None,
        Some(earlier) => match (difference(&earlier.run, identity), difference(&earlier.method, method)) {
            (Some(other), _) => {
                Some(format!("`{shown}` holds another run: {other}; give another folder to --out"))
            }
            (None, Some(other)) if !args.resume => Some(format!(
                "`{shown}` holds a run with other settings: {other}; give --resume to go on with the new ones, or another folder to --out"
            )),
            (None, _) => None,
        },
    };
    problem.map_or(Ok(()), |problem| Err(UsageError(problem).into()))
}

/// What follows from the settings and what was read.
fn resolve(identity: &Identity, method: &Method, prepared: &Prepared, data: &Data) -> Resolved {
    let examples = data.learnt.len() as u64;
    let in_epoch = examples.div_ceil(identity.batch as u64);
    let steps = method.steps.unwrap_or_else(|| in_epoch.saturating_mul(method.epochs.unwrap_or(1)));
    let in_step = data.tokens() * (identity.batch as u64).min(examples) / examples.max(1);
    let count = |parameters: &crate::model::Parameters| parameters.values().map(|var| var.elem_count()).sum();
    Resolved {
        steps,
        warmup_steps: method.warmup_steps.unwrap_or((steps / 20).min(100)),
        max_tokens: prepared.encode.max_tokens,
        micro_batch_tokens: method.micro_batch_tokens.unwrap_or_else(|| part_tokens(in_step).get()),
        examples: data.learnt.len(),
        eval_examples: data.held_out.len(),
        tokens: data.tokens(),
        truncated_examples: data.truncated,
        dropped_examples: data.dropped,
        weightless_examples: data.weightless,
        vocab: prepared.tokenizer.vocab_size(),
        parameters: count(prepared.model.parameters()),
        trained_parameters: count(prepared.model.trainable()),
    }
}

/// A number of at least one.
fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

impl Record {
    fn settings(&self) -> Settings {
        let Self { run, method, execution, resolved, .. } = self;
        let batching = match method.batching {
            BatchingName::Bucketed => Batching::Bucketed,
            BatchingName::Packed => Batching::Packed {
                row_tokens: at_least_one(method.row_tokens.unwrap_or(resolved.max_tokens)),
            },
        };
        let decay = match method.schedule {
            ScheduleName::Constant => Decay::Constant,
            ScheduleName::Cosine => Decay::Cosine { total_steps: resolved.steps, floor: method.floor },
        };
        Settings {
            seed: run.seed,
            batch_examples: at_least_one(run.batch),
            micro_batch_tokens: at_least_one(resolved.micro_batch_tokens),
            batching,
            replicas: at_least_one(execution.replicas),
            recompute_layers: method.recompute,
            optimizer: AdamWConfig { weight_decay: method.weight_decay, ..AdamWConfig::default() },
            schedule: Schedule {
                learning_rate: method.learning_rate,
                warmup_steps: resolved.warmup_steps,
                decay,
            },
            max_gradient_norm: (method.clip > 0.0).then_some(method.clip),
        }
    }

    fn plan(&self) -> Plan {
        let evaluates = self.resolved.eval_examples > 0;
        Plan {
            steps: self.resolved.steps,
            evaluate_every: NonZeroU64::new(self.execution.eval_every).filter(|_| evaluates),
            save_every: NonZeroU64::new(self.execution.save_every),
        }
    }
}

/// Everything is read and checked.
struct Job<'a> {
    record: Record,
    prepared: Prepared,
    data: Data,
    folder: Folder,
    cancel: &'a CancellationToken,
}

impl Job<'_> {
    fn train(&self) -> anyhow::Result<Exit> {
        let keep = at_least_one(self.record.execution.keep);
        let path = self.folder.join("checkpoints");
        // Made only behind the record, without which the folder would be taken for somebody else's.
        let latest = if path.exists() { Checkpoints::open(&path, keep)?.latest()? } else { None };
        let (steps, plan) = (latest.as_ref().map_or(0, Checkpoint::step), self.record.plan());
        if steps > plan.steps {
            let shown = self.folder.path().display();
            let text = format!("`{shown}` has taken {steps} steps, more than {}", plan.steps);
            return Err(UsageError(text).into());
        }
        if self.is_done(steps)? {
            output::say(&format!("`{}` is complete: {steps} steps", self.folder.path().display()));
            return Ok(Exit::Success);
        }
        let mut trainer = self.trainer(latest.as_ref())?;
        self.folder.write_record(&self.record)?;
        prepare::keep_tokenizer(&self.record.run, &self.prepared.tokenizer, &self.folder)?;
        self.folder.forget_outcome()?;
        let checkpoints = Checkpoints::open(&path, keep)?;
        let log = Log::open(&self.folder, steps)?;
        let mut reporter = Reporter::new(log, &self.folder, &self.record, steps, self.cancel);
        self.introduce(steps);
        let (held_out, cancel) = (&self.data.held_out, self.cancel);
        let finish =
            trainer.run(&plan, held_out, Some(&checkpoints), cancel, &mut |progress| reporter.tell(progress));
        // Where the log could not be written, that is what stopped the run.
        let (loss, evaluation_loss) = reporter.finish()?;
        match finish.map_err(|error| self.explain(error, &checkpoints))? {
            Finish::Cancelled => {
                let steps = trainer.steps();
                output::say(&format!("interrupted after {steps} steps: the same command goes on from there"));
                Ok(Exit::Interrupted)
            }
            Finish::Complete => {
                let folders = self.save(trainer.model())?;
                let outcome = Outcome { steps: trainer.steps(), loss, evaluation_loss, folders };
                self.folder.write_outcome(&outcome)?;
                self.conclude(&outcome);
                Ok(Exit::Success)
            }
        }
    }

    /// Whether an earlier process has done all of it.
    fn is_done(&self, steps: u64) -> anyhow::Result<bool> {
        let wanted = self.folders();
        let outcome = self.folder.outcome()?;
        Ok(outcome.is_some_and(|outcome| {
            outcome.steps == self.record.resolved.steps
                && outcome.steps == steps
                && wanted.iter().all(|name| outcome.folders.iter().any(|there| there == name))
        }))
    }

    /// What will be in the run's folder at the end.
    fn folders(&self) -> Vec<&'static str> {
        match (self.prepared.model.lora(), self.record.execution.merge) {
            (None, _) => vec!["model"],
            (Some(_), false) => vec!["adapter"],
            (Some(_), true) => vec!["adapter", "model"],
        }
    }

    fn trainer(&self, latest: Option<&Checkpoint>) -> anyhow::Result<Trainer<'_>> {
        let (model, settings) = (self.prepared.model.clone(), self.record.settings());
        let Some(latest) = latest else { return Ok(Trainer::new(model, &self.data.learnt, settings)?) };
        let resumed = Trainer::resume(model, &self.data.learnt, settings, latest);
        resumed.with_context(|| {
            let path = latest.path().display();
            UsageError(format!("cannot go on from `{path}` (without that folder, an earlier one is tried)"))
        })
    }

    fn introduce(&self, steps: u64) {
        let Resolved { examples, tokens, trained_parameters, parameters, steps: all, .. } =
            self.record.resolved;
        let trained = if trained_parameters == parameters {
            format!("all {parameters} parameters")
        } else {
            format!("{trained_parameters} adapter parameters beside {parameters} frozen ones")
        };
        output::say(&format!(
            "training {trained} on {examples} examples of {tokens} tokens, steps {} to {all}",
            steps + 1
        ));
    }

    /// Says where the last good state is.
    fn explain(&self, error: TrainError, checkpoints: &Checkpoints) -> anyhow::Error {
        let latest = checkpoints.latest().ok().flatten();
        let kept = match latest {
            Some(latest) => format!("training stopped; `{}` is the last good state", latest.path().display()),
            None => "training stopped before a checkpoint was saved".to_owned(),
        };
        anyhow::Error::new(error).context(kept)
    }

    fn save(&self, model: &Decoder) -> anyhow::Result<Vec<String>> {
        let Self { record, prepared, folder, .. } = self;
        if let Some(lora) = model.lora() {
            folder.replace("adapter", |path| Ok(lora.save(path)?))?;
        }
        let names = self.folders();
        if names.contains(&"model") {
            let merged = model.clone().merge_lora()?;
            folder.replace("model", |path| {
                prepare::save_model(path, &merged, &prepared.tokenizer, &record.run)
            })?;
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn conclude(&self, outcome: &Outcome) {
        let loss = outcome.loss.map_or_else(String::new, |loss| format!(", loss {loss:.4} nats a token"));
        let evaluated =
            outcome.evaluation_loss.map_or_else(String::new, |loss| format!(", evaluation loss {loss:.4}"));
        let paths: Vec<_> =
            outcome.folders.iter().map(|name| format!("`{}`", self.folder.join(name).display())).collect();
        output::say(&format!("trained {} steps{loss}{evaluated}: {}", outcome.steps, paths.join(" and ")));
    }
}
