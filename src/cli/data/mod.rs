//! `proofloop data`: the data sets that there are, what is in them, and whether two of them share anything.

mod convert;
mod fetch;
mod list;
mod overlap;
mod show;
mod validate;

use super::exit::Exit;

/// What is wanted of data sets.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Formats, as --format takes them; without it the content decides:
  lean-jsonl      DeepSeek-Prover's JSONL and its relatives (miniF2F, ProofNet, core-lean, Goedel-V2)
  lean-dojo       bare statements (InternLM's miniF2F)
  lean-file       .lean files whose theorems end in sorry (yangky11's miniF2F)
  lean-workbook   Lean Workbook as on Hugging Face; lean-closed: its statements as propositions
  proofnet        ProofNet's Lean 4 port, ProofNet-Verified
  putnam          PutnamBench with its answers filled in; putnam-open: with them left open;
                  putnam-words: informal/putnam.json
  minicodeprops, library (Batteries), verina, vericoding, human-eval-lean, isabelle (miniF2F)
  functions       our own Python tasks, with tests that are shown and tests that are not
  humaneval, evalplus (HumanEval+, MBPP+), mbpp, mbpp-sanitized, apps
  problem         our own JSONL

Data sets are looked for in --data-dir, in the directories of PROOFLOOP_DATA, and in `data` below proofloop's home.

Exit code: 0 all is well, 1 `validate`: a record could not be read, or there are more or fewer than claimed;
`overlap`: there is one, 2 the command line or an input is wrong, 3 the network or the disk failed.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Every data set that is known, and whether it is here
    List(list::Args),
    /// What a data set is, and its problems
    Show(show::Args),
    /// Read every file, count, and say what could not be read
    Validate(validate::Args),
    /// Write the problems of a data set or file in another format
    Convert(convert::Args),
    /// Download a data set to where it is looked for
    Fetch(fetch::Args),
    /// Find what two data sets share: the same statement, the same up to renaming, long pieces
    Overlap(overlap::Args),
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Fetch(args) => fetch::run(&args).await,
        Command::Overlap(args) => overlap::run(&args),
    }
}
