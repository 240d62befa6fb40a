//! `proofloop doctor`: what is there, what this host enforces, what is missing and how to mend it.

use super::exit::Exit;
use super::farm;
use super::isabelle;
use super::output;
use comfy_table::{Table, presets};
use proofloop_sandboxes::process::{Launcher, Policy};
use proofloop_verifiers::install;
use proofloop_verifiers::lean::toolchain;
use proofloop_verifiers::python::Guest;
use serde::Serialize;
use std::collections::BTreeSet;

/// Arguments of `proofloop doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Look at the Lean of this Lake project
    #[arg(long, value_name = "DIR")]
    project: Option<std::path::PathBuf>,
}

#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    home: String,
    cores: usize,
    available_memory_bytes: Option<u64>,
    lean: Part,
    python: Part,
    /// Nothing where nobody has installed it: it is needed for candidates in Isabelle only.
    #[serde(skip_serializing_if = "Option::is_none")]
    isabelle: Option<Part>,
    protection: Vec<LayerReport>,
}

/// Something that is there, or the command that brings it.
#[derive(Debug, Serialize)]
struct Part {
    found: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

#[derive(Debug, Serialize)]
struct LayerReport {
    layer: String,
    enforced: bool,
    detail: String,
}

/// Runs the command: exit code 0 if everything is there and enforced, else 3.
pub(super) async fn run(args: &Args) -> anyhow::Result<Exit> {
    let launcher = Launcher::current_exe();
    let home = install::home();
    let found = toolchain::discover(&launcher, &home, args.project.as_deref()).await;
    let lean = match found {
        Ok(toolchain) => {
            Part { found: true, detail: format!("{}: {}", toolchain.source, toolchain.identity), mend: None }
        }
        Err(error) => Part {
            found: false,
            mend: Some(error.hint().to_owned()),
            detail: format!("{:#}", anyhow::Error::new(error)),
        },
    };
    let python = match farm::python_judge(Guest::default(), &home).await {
        Ok(judge) => Part { found: true, detail: judge.checker().toolchain, mend: None },
        Err(error) => Part {
            found: false,
            mend: Some(output::hint(&error).unwrap_or("run `proofloop setup`").to_owned()),
            detail: format!("{error:#}"),
        },
    };
    let protection = launcher.probe(&Policy::default()).await;
    let layers = protection.layers.iter().map(|state| LayerReport {
        layer: state.layer.name().to_owned(),
        enforced: state.enforced,
        detail: if state.enforced { state.name.clone() } else { state.detail.clone() },
    });
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        home: home.display().to_string(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        available_memory_bytes: farm::available_memory_bytes(),
        lean,
        python,
        isabelle: isabelle(&launcher).await,
        protection: layers.collect(),
    };
    if args.json {
        output::data(&serde_json::to_string_pretty(&report)?)?;
    } else {
        output::data(&table(&report))?;
    }
    let whole = report.lean.found
        && report.python.found
        && report.isabelle.as_ref().is_none_or(|part| part.found)
        && report.protection.iter().all(|layer| layer.enforced);
    Ok(if whole { Exit::Success } else { Exit::Infrastructure })
}

async fn isabelle(launcher: &Launcher) -> Option<Part> {
    let program = isabelle::program()?;
    Some(match isabelle::installation(launcher, &program, &BTreeSet::new()).await {
        Ok(found) => {
            Part { found: true, detail: format!("{}: {}", program.display(), found.identity), mend: None }
        }
        Err(error) => Part {
            found: false,
            detail: format!("{:#}", anyhow::Error::new(error)),
            mend: Some("set PROOFLOOP_ISABELLE to the program `bin/isabelle` of an installation".to_owned()),
        },
    })
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let memory = report
        .available_memory_bytes
        .map_or_else(|| "unknown".to_owned(), |bytes| bytesize::ByteSize(bytes).to_string());
    table.add_row(["ok", "machine", &format!("{} cores, {memory} available", report.cores)]);
    table.add_row(["ok", "home", &report.home]);
    let parts = [
        ("lean", Some(&report.lean)),
        ("python", Some(&report.python)),
        ("isabelle", report.isabelle.as_ref()),
    ];
    for (name, part) in parts {
        let Some(part) = part else {
            table.add_row(["-", name, "not installed; only candidates in Isabelle need it"]);
            continue;
        };
        table.add_row([mark(part.found), name, &part.detail]);
        if let Some(mend) = &part.mend {
            table.add_row(["", "", &format!("to mend it: {mend}")]);
        }
    }
    for layer in &report.protection {
        table.add_row([mark(layer.enforced), &layer.layer, &layer.detail]);
    }
    table.to_string()
}

fn mark(good: bool) -> &'static str {
    if good { "ok" } else { "MISSING" }
}
