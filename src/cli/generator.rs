//! Who draws samples: our own engine or a server. What every command that samples lets the user say about it.

use super::compute::{DeviceName, DtypeName};
use super::exit::UsageError;
use crate::generate::openai::{Api, ApiKey, OpenAiGenerator, Options, Retry, Timeouts};
use crate::generate::{CandleGenerator, EngineOptions, GenerateError, Generator, Identity, Sampling};
use anyhow::Context;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A model, wherever it runs.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct GeneratorArgs {
    /// Our own engine with this Hugging Face folder
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(super) model: Option<PathBuf>,
    /// LoRA adapters for it, as PEFT has them
    #[arg(long, value_name = "DIR", requires = "model")]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl GeneratorArgs {
    /// Whether any is named.
    pub(super) fn is_given(&self) -> bool {
        self.model.is_some() || self.server.server.is_some()
    }

    /// An error if none is.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        if self.is_given() { Ok(()) } else { Err(nobody()) }
    }

    /// Whether prompts become messages of a chat.
    pub(super) fn is_chat(&self) -> bool {
        self.server.is_chat()
    }

    /// As they are, but with a message before the prompt where the user has given none.
    pub(super) fn with_system(mut self, system: Option<&str>) -> Self {
        self.server.system = self.server.system.or_else(|| system.map(str::to_owned));
        self
    }

    /// Who will generate, for the record of a run: a model's folder whole, so that the same command elsewhere means the
    /// same.
    pub(super) fn identity(&self) -> anyhow::Result<Identity> {
        let Some(folder) = &self.model else {
            let model = self.server.server_model.clone().unwrap_or_default();
            return Ok(Identity { engine: "openai".to_owned(), model, reproducible: false });
        };
        let cannot = || UsageError(format!("cannot use the model `{}`", folder.display()));
        let mut model = folder.canonicalize().with_context(cannot)?.display().to_string();
        if let Some(adapter) = &self.adapter {
            model.push_str(&format!(" with {}", adapter.display()));
        }
        Ok(Identity { engine: "candle".to_owned(), model, reproducible: true })
    }

    /// Loads the model, or gets ready to call the server.
    pub(super) async fn open(&self) -> anyhow::Result<Box<dyn Generator>> {
        let args = self.clone();
        let loading = tokio::task::spawn_blocking(move || generator(&args));
        loading.await.context("the thread that loads the model failed")?
    }
}

/// How tokens are chosen.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub(super) struct SamplingArgs {
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
pub(super) struct ServerArgs {
    /// A server that speaks OpenAI's protocol (vLLM, SGLang, llama.cpp, …)
    #[arg(long, value_name = "URL", requires = "server_model")]
    pub(super) server: Option<String>,
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

impl ServerArgs {
    /// Whether prompts become messages of a chat.
    pub(super) fn is_chat(&self) -> bool {
        self.server.is_some() && self.api == ApiName::Chat
    }

    /// Gets ready to call the server, if one is named.
    pub(super) fn open(&self) -> anyhow::Result<Option<OpenAiGenerator>> {
        let Some(url) = &self.server else { return Ok(None) };
        Ok(Some(OpenAiGenerator::new(server(url, self)?)?))
    }
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

fn nobody() -> UsageError {
    UsageError("nobody generates: give --model <DIR> or --server <URL>".to_owned())
}

fn generator(args: &GeneratorArgs) -> anyhow::Result<Box<dyn Generator>> {
    if let Some(url) = &args.server.server {
        return Ok(Box::new(OpenAiGenerator::new(server(url, &args.server)?)?));
    }
    let Some(folder) = &args.model else {
        return Err(nobody().into());
    };
    Ok(Box::new(engine(folder, args)?))
}

fn engine(folder: &Path, args: &GeneratorArgs) -> anyhow::Result<CandleGenerator> {
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
