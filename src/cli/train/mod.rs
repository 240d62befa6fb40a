//! `proofloop train`: examples to weights, in a folder that a run can be taken up in again.

mod data;
mod folder;
mod identity;
mod job;
mod log;
mod plot;
mod prepare;
mod progress;
mod record;

use super::compute::{DeviceName, DtypeName};
use super::exit::Exit;
use super::signals;
use crate::train::TooLong;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

/// Arguments of `proofloop train`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
A record of FILE.jsonl is {\"prompt\",\"completion\",\"weight\"?}: completions are learnt, prompts are read. Other fields
are passed over.

DIR then has
  model/         the trained model as Hugging Face has it (with --lora, adapter/ as PEFT has it)
  checkpoints/   the newest --keep of them
  train.json     every setting, and the versions
  log.jsonl      a line for each step and evaluation
  loss.svg       the loss over the steps
  result.json    how it ended

The same command goes on where an earlier one in DIR ended, whatever ended it (also `kill -9`), and then gives the same
weights, to the bit on a CPU. With other settings it is refused; --resume allows other steps, rates and layouts.

Exit code: 0 trained, 1 the loss or its gradient was no finite number (what was saved before stays), 2 usage or input
error, 3 infrastructure failure (the disk, the device), 130 interrupted (a checkpoint was saved first).")]
pub(super) struct Args {
    /// The model to begin with: a Hugging Face folder with config.json, safetensors and tokenizer.json
    #[arg(long, value_name = "DIR", required_unless_present = "init", conflicts_with = "init")]
    model: Option<PathBuf>,
    /// Begin with random weights
    #[arg(long, value_enum)]
    init: Option<Init>,
    /// Examples; may be repeated
    #[arg(long, value_name = "FILE.jsonl", required = true)]
    data: Vec<PathBuf>,
    /// Examples to evaluate with; may be repeated
    #[arg(long, value_name = "FILE.jsonl", conflicts_with = "eval_fraction")]
    eval_data: Vec<PathBuf>,
    /// Share of the examples to evaluate with instead of learning them
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    eval_fraction: Option<f64>,
    /// Where everything goes: a new or empty folder, or that of an earlier run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with the run in DIR, also with other --steps, --epochs, rates or layouts than it had
    #[arg(long)]
    resume: bool,
    /// Steps in all
    #[arg(long, conflicts_with = "epochs")]
    steps: Option<NonZeroU64>,
    /// Passes over the examples; 1 unless --steps is given
    #[arg(long)]
    epochs: Option<NonZeroU64>,
    /// Examples in each step
    #[arg(long, value_name = "EXAMPLES", default_value = "32")]
    batch: NonZeroUsize,
    #[command(flatten)]
    method: MethodArgs,
    #[command(flatten)]
    lora: LoraArgs,
    /// Of the order of the examples, of new weights and of dropout
    #[arg(long, default_value = "0")]
    seed: u64,
    /// With --init: tokens of the tokenizer that is trained on the data; by default from 1280 to 8192, as many as the
    /// data feed
    #[arg(long, value_name = "TOKENS", conflicts_with = "model")]
    vocab: Option<usize>,
    /// The longest example, prompt and completion together; by default what the model takes, and at most 4096
    #[arg(long, value_name = "TOKENS")]
    max_tokens: Option<NonZeroUsize>,
    /// What happens to longer ones
    #[arg(long, value_enum, default_value = "refuse")]
    too_long: TooLongName,
    /// Where to compute: cpu, cuda, cuda:N
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// What the weights are kept in; by default f32 on a CPU, else bf16
    #[arg(long, value_enum)]
    dtype: Option<DtypeName>,
    #[command(flatten)]
    execution: ExecutionArgs,
}

/// How steps are taken.
#[derive(Debug, Clone, clap::Args)]
struct MethodArgs {
    /// How examples share rows
    #[arg(long, value_enum, default_value = "bucketed")]
    batching: BatchingName,
    /// With packed rows: how long they are; by default the longest example
    #[arg(long, value_name = "TOKENS")]
    row_tokens: Option<NonZeroUsize>,
    /// Tokens that go through the model together, which bounds memory; by default a step is cut into up to 16 parts
    #[arg(long, value_name = "TOKENS")]
    micro_batch_tokens: Option<NonZeroUsize>,
    /// The highest learning rate; by default 1e-3 for new weights, 2e-4 for adapters, else 1e-5
    #[arg(long, value_name = "RATE", alias = "lr", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// What the rate does behind the warm-up
    #[arg(long, value_enum, default_value = "cosine")]
    schedule: ScheduleName,
    /// Where a cosine ends, as a share of the highest rate
    #[arg(long, value_name = "SHARE", default_value = "0.1", allow_negative_numbers = true)]
    floor: f64,
    /// Steps over which the rate rises; by default a twentieth of all, at most 100
    #[arg(long, value_name = "STEPS")]
    warmup_steps: Option<u64>,
    /// Gradients with a larger norm are scaled down to it; 0 scales none
    #[arg(long, value_name = "NORM", default_value = "1", value_parser = parse_norm, allow_negative_numbers = true)]
    clip: f64,
    /// Of matrices; by default 0.1 for new weights, else 0
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    weight_decay: Option<f64>,
    /// Compute layers twice and keep less: a third more time, the memory of one layer
    #[arg(long)]
    recompute: bool,
}

/// Adapters instead of weights.
#[derive(Debug, Clone, clap::Args)]
struct LoraArgs {
    /// Train adapters of this rank (LoRA) and leave the weights alone
    #[arg(long, value_name = "RANK", conflicts_with = "init")]
    lora: Option<usize>,
    /// The adapters' product is multiplied by ALPHA / RANK; by default twice the rank
    #[arg(long, value_name = "ALPHA", requires = "lora", allow_negative_numbers = true)]
    lora_alpha: Option<f64>,
    /// Share of an adapter's inputs that are dropped in training
    #[arg(long, value_name = "SHARE", requires = "lora", default_value = "0", allow_negative_numbers = true)]
    lora_dropout: f32,
    /// Projections that get adapters, such as q_proj,v_proj; by default all
    #[arg(long, value_name = "NAMES", requires = "lora", value_delimiter = ',')]
    lora_targets: Vec<String>,
    /// Also write the model with the adapters added in
    #[arg(long, requires = "lora")]
    merge: bool,
}

/// What changes no weight.
#[derive(Debug, Clone, clap::Args)]
struct ExecutionArgs {
    /// Parts of a step that are computed at the same time; by default one for each core
    #[arg(long, value_name = "NUMBER")]
    replicas: Option<NonZeroUsize>,
    /// Save a checkpoint after each so many steps
    #[arg(long, value_name = "STEPS", default_value = "100")]
    save_every: NonZeroU64,
    /// Evaluate after each so many steps
    #[arg(long, value_name = "STEPS", default_value = "100")]
    eval_every: NonZeroU64,
    /// Checkpoints that are kept
    #[arg(long, value_name = "NUMBER", default_value = "2")]
    keep: NonZeroUsize,
}

/// What `--init` can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Init {
    /// A decoder of 5 to 15 million parameters in the Qwen3 shape, with a byte-level tokenizer trained on the data
    Nano,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum TooLongName {
    /// Stop with an error that names the line
    Refuse,
    /// Leave it out
    Drop,
    /// Cut off the end of its completion
    Truncate,
}

impl From<TooLongName> for TooLong {
    fn from(name: TooLongName) -> Self {
        match name {
            TooLongName::Refuse => Self::Refuse,
            TooLongName::Drop => Self::Drop,
            TooLongName::Truncate => Self::Truncate,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum BatchingName {
    /// One in each row, rows of like length together
    Bucketed,
    /// Several in a row, none seeing another
    Packed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum ScheduleName {
    /// It falls along half a cosine
    Cosine,
    /// It stays
    Constant,
}

fn parse_norm(text: &str) -> Result<f64, String> {
    let norm = text.parse().ok().filter(|norm: &f64| norm.is_finite() && *norm >= 0.0);
    norm.ok_or_else(|| "must be a number, 0 or more".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_no_number| "must be a number above 0 and below 1".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("must be above 0 and below 1".to_owned()) }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let cancel = signals::cancellation();
    let job = tokio::task::spawn_blocking(move || job::run(&args, &cancel));
    job.await.context("the training thread failed")?
}
