//! What a run of self-play or self-debugging works with, for as long as it lasts: its settings, the farm, the device, the
//! screen, the log.

use super::compute::{DeviceName, DtypeName};
use super::exit::UsageError;
use super::farm::{self, JudgingArgs};
use super::selfplay::view::View;
use super::signals;
use crate::folder;
use crate::selfplay::event::Event;
use crate::selfplay::{Compute, Equipment, Listener};
use anyhow::Context;
use proofloop_verifiers::candidate::Kind;
use proofloop_verifiers::python::Guest;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The generator's samples come in bursts, and a unit of the npm Lean takes about 7 CPU seconds to start and more to warm up,
/// as much as some hundred of them: so it waits for more of them.
const LINGER: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(20);

/// A thousand candidates of a model that knows little take the npm Lean beyond the 4 GiB that proofs of people need. At its
/// limit it does not die but reads its libraries over and over.
const MEMORY_BYTES: u64 = 6 << 30;

/// How proofs that a model samples are judged, where the command line does not say.
pub(super) fn proof_judging(judging: &JudgingArgs) -> farm::Settings {
    let settings = judging.with_memory(MEMORY_BYTES).settings(Guest::default(), None);
    farm::Settings { linger: LINGER, patience: PATIENCE, ..settings }
}

/// Where models compute.
pub(super) fn compute(device: DeviceName, dtype: Option<DtypeName>) -> anyhow::Result<Compute> {
    let dtype = dtype.unwrap_or_else(|| device.default_dtype()).into();
    Ok(Compute { device: device.open()?, dtype, threads: device.default_threads() })
}

/// Starts a farm for these kinds, lets `work` use it, and ends everything that was started.
///
/// # Errors
/// The farm can't be started; what `work` says.
pub(super) async fn with<E: Into<anyhow::Error>>(
    folder: &Path,
    (settings, kinds): (&farm::Settings, &BTreeSet<Kind>),
    compute: Compute,
    work: impl AsyncFnOnce(&Equipment) -> Result<(), E>,
) -> anyhow::Result<()> {
    let farm = Arc::new(farm::start(settings, kinds).await?);
    let cancel = signals::cancellation();
    let farm_cancel = farm.cancellation();
    let on_signal = cancel.clone();
    let watch = tokio::spawn(async move {
        on_signal.cancelled().await;
        farm_cancel.cancel();
    });
    let view = Arc::new(Mutex::new(View::new([])));
    let path = folder.to_path_buf();
    let listener = {
        let view = Arc::clone(&view);
        Listener::new(move |event| {
            let mut view = view.lock().unwrap_or_else(PoisonError::into_inner);
            view.tell(&event);
            log(&path, &event, &view);
        })
    };
    let equipment = Equipment { farm, compute, listener, cancel };
    let result = work(&equipment).await;
    watch.abort();
    drop(view);
    let Equipment { farm, listener, .. } = equipment;
    drop(listener);
    // The last one of this program: everything that it started ends before it does.
    if let Some(farm) = Arc::into_inner(farm) {
        farm.close().await;
    }
    result.map_err(Into::into)
}

/// The log is for people: a disk that is full stops the run where something is lost, which is not here.
fn log(path: &Path, event: &Event, view: &View) {
    if !event.is_kept() {
        return;
    }
    let line = serde_json::to_string(event).unwrap_or_default();
    if let Err(error) = folder::log(path, &line) {
        view.say(&format!("warning: {:#}", anyhow::Error::new(error)));
    }
}

/// The settings in a TOML file.
pub(super) fn read_settings<S: DeserializeOwned>(path: &Path) -> anyhow::Result<S> {
    let bad = || UsageError(format!("cannot use the settings `{}`", path.display()));
    let text = std::fs::read_to_string(path).with_context(bad)?;
    toml::from_str(&text).with_context(bad)
}
