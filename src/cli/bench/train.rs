//! `proofloop bench train`: training steps beside PyTorch's, on the same weights, batch and threads.

use super::super::exit::Exit;
use super::super::output;
use super::measure::{self, HEADER, Rates, Span};
use super::nano::{self, Family};
use super::torch::{Script, Torch};
use crate::model::{Decoder, Lora, LoraConfig};
use crate::train::{AdamWConfig, Batching, Example, Schedule, Settings, Trainer};
use anyhow::{Context, bail};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

const SCRIPT: Script = Script { name: "benches/train.py", text: include_str!("../../../benches/train.py") };
/// Steps that are taken and not measured: memory is fetched from the system, caches fill.
const WARM_UP_STEPS: usize = 2;
const LEARNING_RATE: f64 = 3e-4;
/// How far the two sides' losses may be apart, relative, at the first step (the same weights) and at later ones: AdamW's
/// first steps are nearly signs of the gradient, so that a last bit can turn an update around.
const TOLERANCES: [f64; 2] = [1e-5, 1e-3];

/// Arguments of `proofloop bench train`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// A Python with torch and transformers, for the other column
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Shape of the model
    #[arg(long, value_enum, default_value = "qwen3")]
    family: Family,
    /// Tokens that there are
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(2..=1 << 20))]
    vocab: u32,
    /// Train adapters of this rank on all projections instead of all weights
    #[arg(long, value_name = "RANK")]
    lora: Option<NonZeroUsize>,
    /// Rows of the batch
    #[arg(long, default_value = "8")]
    batch: NonZeroUsize,
    /// Tokens in each row
    #[arg(long, default_value = "256")]
    length: NonZeroUsize,
    /// Threads of each side; ours are replicas that share the batch's rows
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    /// Steps that are measured
    #[arg(long, default_value = "10")]
    steps: NonZeroUsize,
    /// Of weights and tokens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    model: String,
    batch: String,
    ours: Side,
    torch: Option<Side>,
    /// How many times the tokens of PyTorch.
    ratio: Option<Rates>,
    /// The largest relative difference of the losses of a step.
    losses_differ: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Side {
    name: String,
    rates: Rates,
    peak_memory_bytes: Option<u64>,
    /// In nats, of each step, those of the warm-up included.
    losses: Vec<f64>,
}

/// What the script is told.
#[derive(Debug, Serialize)]
struct Input<'a> {
    model: &'a Path,
    adapter: Option<&'a Path>,
    tokens: Vec<&'a [u32]>,
    steps: usize,
    threads: usize,
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
}

/// What it answers.
#[derive(Debug, Deserialize)]
struct Answer {
    versions: String,
    losses: Vec<f64>,
    spans: Vec<Span>,
    peak_memory_bytes: u64,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let folder = tempfile::tempdir().context("cannot make a directory")?;
    let torch = args.python.as_deref().map(|python| Torch::new(python, folder.path())).transpose()?;
    let mut config = args.family.config(args.vocab as usize);
    config.max_position_embeddings = config.max_position_embeddings.max(args.length.get().saturating_add(1));
    let (model, path) = nano::make(config, args.seed, folder.path())?;
    let description = nano::describe(&model, args.seed);
    let (model, adapter) = match args.lora {
        Some(rank) => {
            let lora = Lora::init(LoraConfig::all_projections(rank.get()), &model, args.seed)?;
            let path = folder.path().join("adapter");
            lora.save(&path)?;
            (model.with_lora(lora)?, Some(path))
        }
        None => (model, None),
    };
    let examples = examples(&args);
    let ours = tokio::task::block_in_place(|| ours(&args, model, &examples))?;
    let theirs = match &torch {
        Some(torch) => Some(theirs(&args, torch, &path, adapter.as_deref(), &examples).await?),
        None => None,
    };
    let results = Results {
        model: description,
        batch: batch(&args),
        ratio: theirs.as_ref().map(|theirs| ours.rates.over(&theirs.rates)),
        losses_differ: theirs.as_ref().map(|theirs| compare(&ours.losses, &theirs.losses)).transpose()?,
        ours,
        torch: theirs,
    };
    if args.json {
        output::data(&serde_json::to_string_pretty(&results)?)?;
    } else {
        print(&results)?;
    }
    Ok(Exit::Success)
}

fn batch(args: &Args) -> String {
    let Args { batch, length, threads, steps, .. } = args;
    let what = match args.lora {
        Some(rank) => format!("adapters of rank {rank}"),
        None => "all weights".to_owned(),
    };
    format!(
        "training {what}, AdamW, {batch} rows of {length} tokens, {threads} thread(s), {steps} step(s) after {WARM_UP_STEPS}"
    )
}

/// Random texts, one token longer than the rows: the last is only predicted.
fn examples(args: &Args) -> Vec<Example> {
    let mut generator = ChaCha8Rng::seed_from_u64(args.seed);
    let mut token = || generator.next_u32() % args.vocab;
    let mut text = || (0..=args.length.get()).map(|_| token()).collect();
    (0..args.batch.get()).map(|_| Example { tokens: text(), completion: 0, weight: 1.0 }).collect()
}

fn ours(args: &Args, model: Decoder, examples: &[Example]) -> anyhow::Result<Side> {
    let rows = args.batch.get().div_ceil(args.threads.get());
    let settings = Settings {
        seed: args.seed,
        // One batch, in each step.
        batch_examples: args.batch,
        micro_batch_tokens: args.length.saturating_mul(NonZeroUsize::new(rows).unwrap_or(NonZeroUsize::MIN)),
        batching: Batching::Bucketed,
        replicas: args.threads,
        recompute_layers: false,
        optimizer: AdamWConfig::default(),
        schedule: Schedule::constant(LEARNING_RATE),
        max_gradient_norm: None,
    };
    let mut trainer = Trainer::new(model, examples, settings)?;
    let (mut losses, mut spans) = (Vec::new(), Vec::new());
    let never = CancellationToken::new();
    for _ in 0..WARM_UP_STEPS + args.steps.get() {
        let (report, span) = measure::spent(|| Ok(trainer.step(&never)?))?;
        losses.extend(report.map(|report| report.loss));
        spans.push(span);
    }
    Ok(Side {
        name: format!("proofloop {}", env!("CARGO_PKG_VERSION")),
        rates: Rates::new(tokens(args), &spans[WARM_UP_STEPS..]),
        peak_memory_bytes: measure::own_peak_memory_bytes(),
        losses,
    })
}

async fn theirs(
    args: &Args,
    torch: &Torch,
    model: &Path,
    adapter: Option<&Path>,
    examples: &[Example],
) -> anyhow::Result<Side> {
    let AdamWConfig { beta1, beta2, epsilon, weight_decay } = AdamWConfig::default();
    let input = Input {
        model,
        adapter,
        tokens: examples.iter().map(|example| example.tokens.as_slice()).collect(),
        steps: WARM_UP_STEPS + args.steps.get(),
        threads: args.threads.get(),
        learning_rate: LEARNING_RATE,
        beta1,
        beta2,
        epsilon,
        weight_decay,
    };
    let answer: Answer = torch.run(&SCRIPT, &input).await?;
    if answer.spans.len() != input.steps || answer.losses.len() != input.steps {
        bail!("{} took {} steps instead of {}", SCRIPT.name, answer.spans.len(), input.steps);
    }
    Ok(Side {
        name: answer.versions,
        rates: Rates::new(tokens(args), &answer.spans[WARM_UP_STEPS..]),
        peak_memory_bytes: Some(answer.peak_memory_bytes),
        losses: answer.losses,
    })
}

/// Of each step.
fn tokens(args: &Args) -> usize {
    args.batch.get() * args.length.get()
}

/// The largest relative difference, if it is within what rounding explains: a benchmark of two programs that compute
/// different things would be worth nothing.
fn compare(ours: &[f64], theirs: &[f64]) -> anyhow::Result<f64> {
    let mut worst: f64 = 0.0;
    for (step, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let difference = (ours - theirs).abs() / theirs.abs();
        let tolerance = TOLERANCES[step.min(1)];
        if difference.is_nan() || difference > tolerance {
            bail!(
                "the two sides don't train the same: step {}: loss {ours} and {theirs}, limit {tolerance:e} relative",
                step + 1
            );
        }
        worst = worst.max(difference);
    }
    Ok(worst)
}

fn print(results: &Results) -> std::io::Result<()> {
    let Results { model, batch, ours, torch, ratio, losses_differ } = results;
    output::data(model)?;
    output::data(batch)?;
    HEADER.iter().try_for_each(|line| output::data(line))?;
    let side = |side: &Side| {
        let memory =
            side.peak_memory_bytes.map_or(String::new(), |bytes| format!("  peak {} MiB", bytes >> 20));
        output::data(&format!("{}{memory}", side.rates.row(&side.name, 0)))
    };
    side(ours)?;
    match (torch, ratio, losses_differ) {
        (Some(torch), Some(ratio), Some(difference)) => {
            side(torch)?;
            output::data(&ratio.row("ratio", 2))?;
            output::data(&format!("losses of both sides agree to {difference:.0e} relative in every step"))
        }
        (_, _, _) => output::data(&SCRIPT.not_measured()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_losses_are_refused() {
        let same = compare(&[6.0, 5.0], &[6.000_01, 5.001]).expect("within the limits");
        assert!((same - 2e-4).abs() < 1e-6);
        let error = compare(&[6.0, 5.0], &[6.001, 5.0]).expect_err("another first loss");
        assert!(error.to_string().contains("step 1: loss 6 and 6.001"), "{error}");
        compare(&[6.0, 5.0], &[6.0, 5.1]).expect_err("another second loss");
        compare(&[f64::NAN], &[6.0]).expect_err("no number");
    }
}
