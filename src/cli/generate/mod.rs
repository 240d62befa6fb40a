//! `proofloop generate`: prompts to completions, by our own engine or by a server.

mod input;
mod order;
mod output;
mod progress;
mod session;

use super::compute::{DeviceName, DtypeName};
use super::exit::{Exit, UsageError};
use super::signals;
use crate::generate::openai::{Api, ApiKey, OpenAiGenerator, Options, Retry, Timeouts};
use crate::generate::{CandleGenerator, EngineOptions, GenerateError, Generator, Sampling};
use anyhow::Context;
use input::Prompts;
use output::Output;
use session::Session;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `proofloop generate`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
PROMPTS is JSONL (or `-` for JSONL on standard input) of {\"prompt\",\"id\"?}, where `task_id` or `name` may stand for `id`,
and the line's number does if there is none; or a `.txt` file, which is one prompt (without its last line end).

A line of output is {\"id\",\"sample\",\"prompt\"?,\"completion\",\"finish\",\"tokens\",\"log_probs\"?}, in the order of the
prompts and samples, as soon as all before it are there; `finish` is end_of_text, stop or length. A sample depends on
the weights, its prompt, its id, its number, the seed and the settings, and (on a CPU in f32) on nothing else: more
samples or other prompts change none of the first ones.

Exit code: 0 all sampled, 2 usage or input error (the other prompts are still completed), 3 infrastructure failure (the
model, the server, the disk), 130 interrupted (what was done is written), 141 nobody read the output to its end; of
several the highest.")]
pub(super) struct Args {
    /// Our own engine with this Hugging Face folder
    #[arg(long, value_name = "DIR", required_unless_present = "server", conflicts_with = "server")]
    model: Option<PathBuf>,
    /// LoRA adapters for it, as PEFT has them
    #[arg(long, value_name = "DIR", requires = "model")]
    adapter: Option<PathBuf>,
    /// Prompts
    #[arg(long, value_name = "PROMPTS", required_unless_present = "prompt", conflicts_with = "prompt")]
    prompts: Option<PathBuf>,
    /// One prompt
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Samples of each prompt
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    samples: NonZeroUsize,
    #[arg(long, default_value = "0")]
    seed: u64,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Where completions go: a new file, or `-` for standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Go on with FILE: samples that it has are not drawn again
    #[arg(long)]
    resume: bool,
    /// Also write the prompts
    #[arg(long)]
    with_prompt: bool,
    /// Write the one sample of one prompt (--prompt or a .txt) as plain text, while it comes
    #[arg(long, conflicts_with_all = ["out", "resume", "with_prompt", "log_probs"])]
    stream: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// How tokens are chosen.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Sampling")]
struct SamplingArgs {
    /// Logits are divided by it; 0 takes the likeliest token
    #[arg(long, default_value = "1", allow_negative_numbers = true)]
    temperature: f64,
    /// Only the likeliest tokens whose probabilities reach this sum
    #[arg(long, value_name = "SHARE", default_value = "1", allow_negative_numbers = true)]
    top_p: f64,
    /// Only so many of the likeliest
    #[arg(long, value_name = "NUMBER")]
    top_k: Option<NonZeroUsize>,
    /// Only tokens at least this times as likely as the likeliest
    #[arg(long, value_name = "SHARE", default_value = "0", allow_negative_numbers = true)]
    min_p: f64,
    /// Makes tokens that have occurred less likely; 1 is none
    #[arg(long, value_name = "FACTOR", default_value = "1", allow_negative_numbers = true)]
    repetition_penalty: f64,
    /// The most tokens of a completion
    #[arg(long, value_name = "TOKENS", default_value = "512")]
    max_tokens: NonZeroUsize,
    /// A text that ends a completion, and is not part of it; may be repeated
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Also write the natural logarithm of each token's probability
    #[arg(long)]
    log_probs: bool,
}

/// How much our engine does at once.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "With --model")]
struct EngineArgs {
    /// Where to compute: cpu, cuda, cuda:N
    #[arg(long, default_value = "cpu", conflicts_with = "server")]
    device: DeviceName,
    /// What the weights are kept in; by default f32 on a CPU, else bf16
    #[arg(long, value_enum, conflicts_with = "server")]
    dtype: Option<DtypeName>,
    /// Samples in progress
    #[arg(long, value_name = "NUMBER", default_value = "64", conflicts_with = "server")]
    max_rows: NonZeroUsize,
    /// Tokens whose keys and values may be kept; by default a context for each row
    #[arg(long, value_name = "TOKENS", conflicts_with = "server")]
    token_budget: Option<NonZeroUsize>,
    /// Threads, each with a batch of its own; by default one for each core
    #[arg(long, value_name = "NUMBER", conflicts_with = "server")]
    workers: Option<NonZeroUsize>,
    /// Tokens of prompt and completion together; by default what the model was made for
    #[arg(long, value_name = "TOKENS", conflicts_with = "server")]
    max_context: Option<NonZeroUsize>,
}

/// How a server is asked.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "With --server")]
struct ServerArgs {
    /// A server that speaks OpenAI's protocol (vLLM, SGLang, llama.cpp, …)
    #[arg(long, value_name = "URL", requires = "server_model")]
    server: Option<String>,
    /// The model's name there
    #[arg(long, value_name = "NAME", requires = "server")]
    server_model: Option<String>,
    /// What is asked
    #[arg(long, value_enum, default_value = "completions", requires = "server")]
    api: ApiName,
    /// With --api chat: the message before the prompt
    #[arg(long, value_name = "TEXT", requires = "server")]
    system: Option<String>,
    /// The environment variable that holds the key
    #[arg(long, value_name = "VARIABLE", default_value = ApiKey::VARIABLE, requires = "server")]
    api_key_env: String,
    /// Calls at once
    #[arg(long, value_name = "NUMBER", default_value = "16", requires = "server")]
    concurrency: NonZeroUsize,
    /// Samples asked for in one call
    #[arg(long, value_name = "NUMBER", default_value = "8", requires = "server")]
    samples_per_call: NonZeroUsize,
    /// Time for one call
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10m", requires = "server")]
    call_timeout: Duration,
    /// How often a call that fails is made in all
    #[arg(long, value_name = "NUMBER", default_value = "5", requires = "server")]
    attempts: NonZeroU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ApiName {
    /// The prompt is continued as it is
    Completions,
    /// The prompt is the user's message
    Chat,
}

impl From<&SamplingArgs> for Sampling {
    fn from(args: &SamplingArgs) -> Self {
        Self {
            temperature: args.temperature,
            top_p: args.top_p,
            top_k: args.top_k,
            min_p: args.min_p,
            repetition_penalty: args.repetition_penalty,
            max_tokens: args.max_tokens,
            stop: args.stop.clone(),
            log_probs: args.log_probs,
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let cancel = signals::cancellation();
    let sampling = Sampling::from(&args.sampling);
    sampling.check()?;
    if args.stream {
        check_stream(&args)?;
    }
    let prompts = Prompts::open(args.prompts.as_deref(), args.prompt.as_deref())?;
    let output = match args.stream {
        true => Output::Text,
        false => Output::open(&args.out, args.resume)?,
    };
    let loading = args.clone();
    let generator = tokio::task::spawn_blocking(move || generator(&loading));
    let generator = generator.await.context("the thread that loads the model failed")??;
    Session::new(&args, sampling, generator, output, cancel).run(prompts).await
}

fn check_stream(args: &Args) -> Result<(), UsageError> {
    let is_text = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "txt");
    if args.samples.get() > 1 || args.prompts.as_ref().is_some_and(|path| !is_text(path)) {
        return Err(UsageError("--stream writes one sample of one prompt (--prompt or a .txt)".to_owned()));
    }
    Ok(())
}

fn generator(args: &Args) -> anyhow::Result<Box<dyn Generator>> {
    if let Some(url) = &args.server.server {
        return Ok(Box::new(OpenAiGenerator::new(server(url, &args.server)?)?));
    }
    let Some(folder) = &args.model else {
        return Err(UsageError("give --model or --server".to_owned()).into());
    };
    Ok(Box::new(engine(folder, args)?))
}

fn engine(folder: &Path, args: &Args) -> anyhow::Result<CandleGenerator> {
    let engine = &args.engine;
    let device = engine.device.open()?;
    let dtype = engine.dtype.unwrap_or_else(|| engine.device.default_dtype()).into();
    let options = EngineOptions {
        max_rows: engine.max_rows,
        token_budget: engine.token_budget,
        workers: engine.workers,
        max_context: engine.max_context,
        ..EngineOptions::default()
    };
    let generator = CandleGenerator::load(folder, args.adapter.as_deref(), dtype, &device, options);
    generator.map_err(|error| {
        // What is wrong is told by the model itself.
        if let GenerateError::Model(source) = error {
            let text = format!("cannot use the model `{}`", folder.display());
            anyhow::Error::new(source).context(UsageError(text))
        } else {
            error.into()
        }
    })
}

fn server(url: &str, args: &ServerArgs) -> anyhow::Result<Options> {
    let api = match (args.api, &args.system) {
        (ApiName::Chat, system) => Api::Chat { system: system.clone() },
        (ApiName::Completions, None) => Api::Completions,
        (ApiName::Completions, Some(_)) => {
            return Err(UsageError("--system is for --api chat".to_owned()).into());
        }
    };
    Ok(Options {
        api,
        key: ApiKey::from_env(&args.api_key_env)?,
        concurrency: args.concurrency,
        samples_per_call: args.samples_per_call,
        timeouts: Timeouts { call: args.call_timeout, ..Timeouts::default() },
        retry: Retry { attempts: args.attempts, ..Retry::default() },
        ..Options::new(url, args.server_model.clone().unwrap_or_default())
    })
}
