//! `proofloop bench generate`: samples of one prompt beside PyTorch's, on the same weights, prompt and threads.

use super::super::exit::Exit;
use super::super::output;
use super::measure::{self, HEADER, Rates, Span};
use super::nano::{self, Family};
use super::torch::{Script, Torch};
use crate::generate::{CandleGenerator, Completion, EngineOptions, Event, Generator as _, Request, Sampling};
use crate::model::{Decoder, Tokenizer};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SCRIPT: Script =
    Script { name: "benches/generate.py", text: include_str!("../../../benches/generate.py") };
/// Repetitions that are not measured.
const WARM_UPS: usize = 1;
const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// Arguments of `proofloop bench generate`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// A Python with torch and transformers, for the other rows
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Shape of the model
    #[arg(long, value_enum, default_value = "qwen3")]
    family: Family,
    /// Tokens that there are
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(256..=1 << 16))]
    vocab: u32,
    /// Samples of the prompt, all wanted at the same time
    #[arg(long, default_value = "1,32", value_delimiter = ',')]
    samples: Vec<NonZeroUsize>,
    /// Tokens of the prompt
    #[arg(long, default_value = "16")]
    prompt: NonZeroUsize,
    /// Tokens of each sample
    #[arg(long, default_value = "128")]
    length: NonZeroUsize,
    /// 0 takes the likeliest token
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Threads of each side; ours have a batch each
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    /// Repetitions that are measured
    #[arg(long, default_value = "3")]
    repetitions: NonZeroUsize,
    /// Of weights and samples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    model: String,
    task: String,
    /// What the other side is.
    torch: Option<String>,
    runs: Vec<Run>,
    /// Of one sample at temperature 0, on which both sides agree if there are two.
    greedy: Vec<u32>,
    peak_memory_bytes: Option<u64>,
    torch_peak_memory_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Run {
    samples: usize,
    ours: Rates,
    /// Its ways, by name.
    torch: Vec<(String, Rates)>,
    /// How many times the tokens of its better way.
    ratio: Option<Rates>,
}

/// What the script is told.
#[derive(Debug, Serialize)]
struct Input<'a> {
    model: &'a Path,
    prompt: &'a [u32],
    tokens: usize,
    samples: Vec<usize>,
    repetitions: usize,
    threads: usize,
    temperature: f64,
    seed: u64,
}

/// What it answers.
#[derive(Debug, Deserialize)]
struct Answer {
    versions: String,
    greedy: Vec<u32>,
    runs: Vec<AnswerRun>,
    peak_memory_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct AnswerRun {
    samples: usize,
    name: String,
    spans: Vec<Span>,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let folder = tempfile::tempdir().context("cannot make a directory")?;
    let torch = args.python.as_deref().map(|python| Torch::new(python, folder.path())).transpose()?;
    let tokenizer = tokenizer(args.vocab as usize)?;
    let mut config = args.family.config(args.vocab as usize);
    let context = args.prompt.saturating_add(args.length.get()).get();
    config.max_position_embeddings = config.max_position_embeddings.max(context);
    let (model, path) = nano::make(config, args.seed, folder.path())?;
    let description = nano::describe(&model, args.seed);
    let ours = Ours::new(&args, model, tokenizer)?;
    let greedy = ours.greedy()?;
    let mut runs = Vec::new();
    for &samples in &args.samples {
        let rates = ours.measure(samples)?;
        runs.push(Run { samples: samples.get(), ours: rates, torch: Vec::new(), ratio: None });
    }
    let peak_memory_bytes = measure::own_peak_memory_bytes();
    let answer = match &torch {
        Some(torch) => Some(theirs(&args, torch, &path, &ours.prompt_tokens()?).await?),
        None => None,
    };
    if let Some(answer) = &answer {
        compare(&greedy, &answer.greedy)?;
        join(&mut runs, answer, &args);
    }
    let results = Results {
        model: description,
        task: task(&args),
        torch: answer.as_ref().map(|answer| answer.versions.clone()),
        runs,
        greedy,
        peak_memory_bytes,
        torch_peak_memory_bytes: answer.map(|answer| answer.peak_memory_bytes),
    };
    if args.json {
        output::data(&serde_json::to_string_pretty(&results)?)?;
    } else {
        print(&results)?;
    }
    Ok(Exit::Success)
}

fn task(args: &Args) -> String {
    let Args { prompt, length, temperature, threads, repetitions, .. } = args;
    format!(
        "{length} tokens after a prompt of {prompt}, temperature {temperature}, {threads} thread(s), {repetitions} repetition(s) after {WARM_UPS}"
    )
}

/// As many tokens as the model has, so that all it says is text; letters are tokens by themselves.
fn tokenizer(vocab: usize) -> anyhow::Result<Tokenizer> {
    let texts: Vec<String> =
        (0..vocab as u64 * 4).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string()).collect();
    let tokenizer = Tokenizer::train(texts.iter().map(String::as_str), vocab, &[])?;
    if tokenizer.vocab_size() != vocab {
        bail!("a tokenizer of {} tokens instead of {vocab}", tokenizer.vocab_size());
    }
    Ok(tokenizer)
}

/// The engine, and what it is asked.
struct Ours<'a> {
    args: &'a Args,
    model: Arc<Decoder>,
    tokenizer: Tokenizer,
    prompt: String,
}

impl<'a> Ours<'a> {
    fn new(args: &'a Args, model: Decoder, tokenizer: Tokenizer) -> anyhow::Result<Self> {
        let prompt = ('a'..='z').cycle().take(args.prompt.get()).collect();
        let ours = Self { args, model: Arc::new(model), tokenizer, prompt };
        let tokens = ours.prompt_tokens()?.len();
        if tokens != args.prompt.get() {
            bail!("the prompt has {tokens} tokens instead of {}", args.prompt);
        }
        Ok(ours)
    }

    fn prompt_tokens(&self) -> anyhow::Result<Vec<u32>> {
        Ok(self.tokenizer.encode(&self.prompt, false)?)
    }

    fn engine(&self, rows: NonZeroUsize) -> anyhow::Result<CandleGenerator> {
        let workers = Some(self.args.threads);
        let options =
            EngineOptions { max_rows: rows.max(self.args.threads), workers, ..EngineOptions::default() };
        Ok(CandleGenerator::new(Arc::clone(&self.model), self.tokenizer.clone(), "nano", options)?)
    }

    fn request(&self, samples: NonZeroUsize, temperature: f64) -> Request {
        let sampling = Sampling { temperature, max_tokens: self.args.length, ..Sampling::default() };
        Request { prompt: self.prompt.clone(), samples, seed: self.args.seed, sampling, stream: false }
    }

    fn measure(&self, samples: NonZeroUsize) -> anyhow::Result<Rates> {
        let engine = self.engine(samples)?;
        let mut spans = Vec::new();
        for _ in 0..WARM_UPS + self.args.repetitions.get() {
            let request = self.request(samples, self.args.temperature);
            spans.push(measure::spent(|| complete(&engine, request))?.1);
        }
        Ok(Rates::new(samples.get() * self.args.length.get(), &spans[WARM_UPS..]))
    }

    /// The tokens of one sample at temperature 0.
    fn greedy(&self) -> anyhow::Result<Vec<u32>> {
        let mut completions = complete(&self.engine(ONE)?, self.request(ONE, 0.0))?;
        completions.pop().and_then(|one| one.token_ids).context("the engine told no tokens")
    }
}

/// All completions of a request, each as long as it was asked for.
fn complete(engine: &CandleGenerator, request: Request) -> anyhow::Result<Vec<Completion>> {
    let (samples, tokens) = (request.samples.get(), request.sampling.max_tokens.get());
    let (sender, mut receiver) = mpsc::channel(64);
    let never = CancellationToken::new();
    let listen = async {
        let mut completions = Vec::with_capacity(samples);
        while let Some(event) = receiver.recv().await {
            match event {
                Event::Completed { completion, .. } => completions.push(completion),
                Event::Failed { error, .. } => return Err(error),
                Event::Piece { .. } => {}
            }
        }
        Ok(completions)
    };
    let work = async { tokio::try_join!(engine.generate(vec![request], sender, &never), listen) };
    let (_, completions) = tokio::task::block_in_place(|| Handle::current().block_on(work))?;
    if completions.len() != samples || completions.iter().any(|completion| completion.tokens != tokens) {
        bail!("{} samples of {samples}, or not all of {tokens} tokens", completions.len());
    }
    Ok(completions)
}

async fn theirs(args: &Args, torch: &Torch, model: &Path, prompt: &[u32]) -> anyhow::Result<Answer> {
    let input = Input {
        model,
        prompt,
        tokens: args.length.get(),
        samples: args.samples.iter().map(|samples| samples.get()).collect(),
        repetitions: WARM_UPS + args.repetitions.get(),
        threads: args.threads.get(),
        temperature: args.temperature,
        seed: args.seed,
    };
    let answer: Answer = torch.run(&SCRIPT, &input).await?;
    if answer.runs.iter().any(|run| run.spans.len() != input.repetitions) {
        bail!("{} did not repeat everything {} times", SCRIPT.name, input.repetitions);
    }
    Ok(answer)
}

/// Whether both sides are the same model. Two tokens that are equally likely but for rounding could be told apart
/// differently; with random weights that is one sample in thousands.
fn compare(ours: &[u32], theirs: &[u32]) -> anyhow::Result<()> {
    if ours == theirs {
        return Ok(());
    }
    let same = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    bail!("the two sides don't generate the same: at temperature 0 token {} differs", same + 1);
}

fn join(runs: &mut [Run], answer: &Answer, args: &Args) {
    for run in runs {
        let tokens = run.samples * args.length.get();
        let own = answer.runs.iter().filter(|theirs| theirs.samples == run.samples);
        run.torch = own.map(|run| (run.name.clone(), Rates::new(tokens, &run.spans[WARM_UPS..]))).collect();
        let best = run.torch.iter().map(|(_, rates)| rates);
        let best = best.max_by(|a, b| a.per_cpu_second.best.total_cmp(&b.per_cpu_second.best));
        run.ratio = best.map(|best| run.ours.over(best));
    }
}

fn print(results: &Results) -> std::io::Result<()> {
    let Results { model, task, torch, runs, .. } = results;
    output::data(model)?;
    output::data(task)?;
    if let Some(versions) = torch {
        output::data(&format!("{versions}; at temperature 0 both sides give the same tokens"))?;
    }
    HEADER.iter().try_for_each(|line| output::data(line))?;
    for Run { samples, ours, torch, ratio } in runs {
        let row = |name: &str, rates: &Rates, decimals| {
            output::data(&rates.row(&format!("{samples:>5}  {name}"), decimals))
        };
        row(&format!("proofloop {}", env!("CARGO_PKG_VERSION")), ours, 0)?;
        torch.iter().try_for_each(|(name, rates)| row(name, rates, 0))?;
        ratio.iter().try_for_each(|ratio| row("ratio to the better", ratio, 2))?;
    }
    if torch.is_some() { Ok(()) } else { output::data(&SCRIPT.not_measured()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_tokens_are_refused() {
        compare(&[1, 2], &[1, 2]).expect("the same");
        let error = compare(&[1, 2], &[1, 3]).expect_err("another");
        assert!(error.to_string().ends_with("token 2 differs"), "{error}");
        compare(&[1], &[1, 2]).expect_err("shorter");
    }

    #[test]
    fn every_vocabulary_gets_a_tokenizer_and_letters_stay_letters() {
        for vocab in [256, 300, 4096] {
            let tokenizer = tokenizer(vocab).expect("a tokenizer");
            assert_eq!(tokenizer.encode("abcabc", false).expect("tokens").len(), 6);
        }
    }
}
