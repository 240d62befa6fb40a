//! `proofloop data fetch`.

use super::super::exit::{Exit, UsageError};
use super::super::output;
use super::super::problem_source::data_directories;
use crate::fetch;
use anyhow::Context;
use proofloop_datasets::registry::{DataFile, Dataset, Registry, sha256_of};
use std::path::{Path, PathBuf};

/// Arguments of `proofloop data fetch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 the data set is here, 2 it is not published in one piece or its name is unknown, 3 it could not be reached
or is another file than the pinned one (nothing is left then).")]
pub(super) struct Args {
    /// Data set, by its name (`proofloop data list`)
    name: String,
    /// Directory to put it in, instead of the first of PROOFLOOP_DATA or `data` below proofloop's home
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Take it from this address, which answers as raw.githubusercontent.com or huggingface.co would
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// Runs the command.
pub(super) async fn run(args: &Args) -> anyhow::Result<Exit> {
    let dataset = Registry::known().find(&args.name)?;
    if dataset.bundled {
        output::say(&format!("`{}` is bundled", dataset.name));
        return Ok(Exit::Success);
    }
    let directories = data_directories(args.data_dir.as_deref());
    let directory = directories.first().context("there is no data directory")?;
    for file in &dataset.files {
        one(dataset, file, directory, args.mirror.as_deref()).await?;
    }
    Ok(Exit::Success)
}

async fn one(
    dataset: &Dataset,
    file: &DataFile,
    directory: &Path,
    mirror: Option<&str>,
) -> anyhow::Result<()> {
    let to = directory.join(&file.path);
    if to.is_file()
        && file.sha256.as_deref().is_none_or(|expected| sha256_of(&to).is_ok_and(|found| found == expected))
    {
        output::say(&format!("{} is there", to.display()));
        return Ok(());
    }
    let nowhere = || {
        UsageError(format!(
            "`{}` cannot be fetched: its file was put together from {}; put it at {}",
            dataset.name,
            dataset.source,
            to.display()
        ))
    };
    let origin = file.origin(dataset.revision.as_deref()).ok_or_else(nowhere)?;
    let host = mirror.unwrap_or(origin.host).trim_end_matches('/');
    let url = format!("{host}{}", origin.path);
    let folder = to.parent().unwrap_or(directory);
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let cannot = || format!("cannot fetch `{}` to {}", dataset.name, to.display());
    let found = fetch::fetch(&url, &to, file.sha256.as_deref()).await.with_context(cannot)?;
    let pinned = if file.sha256.is_some() { "as pinned" } else { "no hash is pinned: look at what it is" };
    output::say(&format!("{} is there, sha256 {found} ({pinned})", to.display()));
    Ok(())
}
