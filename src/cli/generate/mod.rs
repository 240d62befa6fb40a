//! `proofloop generate`: prompts to completions, by our own engine or by a server.

mod input;
mod order;
mod output;
mod progress;
mod session;

use super::exit::{Exit, UsageError};
use super::generator::{GeneratorArgs, SamplingArgs};
use super::signals;
use crate::generate::Sampling;
use input::Prompts;
use output::Output;
use session::Session;
use std::num::NonZeroUsize;
use std::path::PathBuf;

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
    #[command(flatten)]
    generator: GeneratorArgs,
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
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    args.generator.check()?;
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
    let generator = args.generator.open().await?;
    Session::new(&args, sampling, generator, output, cancel).run(prompts).await
}

fn check_stream(args: &Args) -> Result<(), UsageError> {
    let is_text = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "txt");
    if args.samples.get() > 1 || args.prompts.as_ref().is_some_and(|path| !is_text(path)) {
        return Err(UsageError("--stream writes one sample of one prompt (--prompt or a .txt)".to_owned()));
    }
    Ok(())
}
