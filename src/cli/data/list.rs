//! `proofloop data list`.

use super::super::exit::Exit;
use super::super::output;
use super::super::problem_source::data_directories;
use comfy_table::{Table, presets};
use proofloop_datasets::errata::Errata;
use proofloop_datasets::registry::{Dataset, Presence, Registry};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `proofloop data list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Directory of data sets, before those of PROOFLOOP_DATA and of proofloop's home
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let directories = data_directories(args.data_dir.as_deref());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["name", "problems", "format", "here", "licence"]);
    for dataset in Registry::known().datasets() {
        let presence = dataset.presence(&directories)?;
        if args.json {
            output::data(&object(dataset, &presence).to_string())?;
        }
        let cells =
            [&dataset.name, &sizes(dataset), dataset.format.name(), &here(&presence), &dataset.licence];
        table.add_row(cells.map(str::to_owned));
    }
    if !args.json {
        output::data(&table.to_string())?;
    }
    Ok(Exit::Success)
}

/// `valid 244, test 244`.
pub(super) fn sizes(dataset: &Dataset) -> String {
    let sizes: Vec<String> = dataset.splits.iter().map(|(split, size)| format!("{split} {size}")).collect();
    if sizes.is_empty() { "not counted".to_owned() } else { sizes.join(", ") }
}

/// Whether it is here, in a few words.
pub(super) fn here(presence: &Presence) -> String {
    match presence {
        Presence::Bundled => "bundled".to_owned(),
        Presence::Found(_) => "yes".to_owned(),
        Presence::Unpinned(_) => "yes, no hash is pinned".to_owned(),
        Presence::OtherHash(path) => format!("another file: {}", path.display()),
        Presence::Missing(_) => "no".to_owned(),
    }
}

fn object(dataset: &Dataset, presence: &Presence) -> serde_json::Value {
    let (state, paths) = match presence {
        Presence::Bundled => ("bundled", Vec::new()),
        Presence::Found(paths) => ("found", paths.clone()),
        Presence::Unpinned(paths) => ("unpinned", paths.clone()),
        Presence::OtherHash(path) => ("other-hash", vec![path.clone()]),
        Presence::Missing(_) => ("missing", Vec::new()),
    };
    let files: Vec<_> =
        dataset.files.iter().map(|file| json!({"path": file.path, "sha256": file.sha256})).collect();
    json!({
        "name": dataset.name, "aliases": dataset.aliases, "about": dataset.about, "format": dataset.format,
        "source": dataset.source, "revision": dataset.revision, "licence": dataset.licence,
        "splits": dataset.splits, "files": files, "state": state, "paths": paths,
        "errata": Errata::known().of(&dataset.name).map_or(0, |lineage| lineage.statements.len()),
    })
}
