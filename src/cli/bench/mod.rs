//! `proofloop bench`: measurements, never tests.

mod baseline;
mod generate;
mod measure;
mod nano;
mod python;
mod selection;
mod selfplay;
mod serve;
mod torch;
mod train;
mod verify;

use super::exit::Exit;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The farm's CPU time beside one hand-made `lean --json` file with the same content
    Verify(verify::Args),
    /// Checks per CPU second in the wasm guest beside a fresh native `python3 -I -S` process per check
    Python(python::Args),
    /// Training steps beside PyTorch's, on the same weights, batch and threads
    Train(train::Args),
    /// Samples of one prompt beside PyTorch's, on the same weights, prompt and threads
    Generate(generate::Args),
    /// What the rules and records of a self-play round cost at three sizes, and how that grows
    Selection(selection::Args),
    /// Self-play beside its baselines and ablations, from the same model and with as many candidates
    Selfplay(Box<selfplay::Args>),
    /// The server under load: what it adds to the work of its workers, and what it does when they fail
    Serve(Box<serve::Args>),
    /// The REPL that the server is measured with
    #[command(hide = true)]
    FakeRepl,
}

/// Runs the command.
pub(super) async fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Verify(args) => verify::run(args).await,
        Command::Python(args) => python::run(args).await,
        Command::Train(args) => train::run(args).await,
        Command::Generate(args) => generate::run(args).await,
        Command::Selection(args) => selection::run(args).await,
        Command::Selfplay(args) => selfplay::run(*args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::FakeRepl => serve::fake_repl::run().map(|()| Exit::Success),
    }
}
