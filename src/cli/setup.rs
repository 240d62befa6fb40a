//! `proofloop setup`: bring what judging needs.

use super::exit::Exit;
use super::farm::{self, GuestName};
use super::output;
use anyhow::Context;
use proofloop_sandboxes::process::Launcher;
use proofloop_verifiers::install;
use proofloop_verifiers::lean::toolchain::{native, npm};
use proofloop_verifiers::python::Guest;
use std::path::Path;

/// Arguments of `proofloop setup`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Install the npm Lean even if a native one is found
    #[arg(long)]
    npm_lean: bool,
    /// The Python guest to install
    #[arg(long, value_enum, default_value = "python3.12")]
    guest: GuestName,
}

/// Runs the command.
pub(super) async fn run(args: &Args) -> anyhow::Result<Exit> {
    let launcher = Launcher::current_exe();
    let home = install::home();
    lean(&launcher, &home, args.npm_lean).await?;
    python(&launcher, &home, args.guest.into()).await?;
    Ok(Exit::Success)
}

/// Makes sure that there is a Lean.
pub(super) async fn lean(launcher: &Launcher, home: &Path, force_npm: bool) -> anyhow::Result<()> {
    if !force_npm {
        if let Some(toolchain) = native::on_path(launcher).await? {
            output::say(&format!("lean: {}", toolchain.identity));
            return Ok(());
        }
        if let Some(toolchain) = npm::installed(home) {
            output::say(&format!("lean: {}", toolchain.identity));
            return Ok(());
        }
    }
    output::say("lean: no native toolchain, installing the npm one (about 250 MB to download)");
    let directory = npm::install(launcher, home).await.context("cannot install Lean")?;
    output::say(&format!("lean: installed in {}", directory.display()));
    Ok(())
}

/// Makes sure that the Python guest is there and compiled.
pub(super) async fn python(launcher: &Launcher, home: &Path, guest: Guest) -> anyhow::Result<()> {
    guest.install(launcher, home).await.context("cannot install the Python guest")?;
    output::say("python: preparing the guest (the first time takes a while)");
    let judge = farm::python_judge(guest, home).await?;
    output::say(&format!("python: {}", judge.checker().toolchain));
    Ok(())
}
