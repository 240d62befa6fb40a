//! Telling the launcher what became of each step.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use super::write_ignoring_errors;
use crate::process::policy::{Layer, LayerState};
use crate::process::protocol::Message;

/// The set-up was refused, and the launcher knows why.
#[derive(Debug)]
pub(super) struct Refused;

/// Writes one JSON line per message.
pub(super) struct Reporter<W = std::os::unix::net::UnixStream> {
    to: W,
    optional: BTreeSet<Layer>,
}

/// What a layer's set-up came to: the detail when enforced, the reason when not.
pub(super) type LayerResult = Result<String, String>;

impl<W> Reporter<W>
where
    for<'a> &'a W: Write,
{
    pub(super) fn new(to: W, optional: BTreeSet<Layer>) -> Self {
        Self { to, optional }
    }

    pub(super) fn send(&self, message: &Message) {
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            write_ignoring_errors(&self.to, &line);
        }
    }

    /// Passes on lines that another reporter has written.
    pub(super) fn forward(&self, lines: &[u8]) {
        write_ignoring_errors(&self.to, lines);
    }

    pub(super) fn layer(&self, layer: Layer, name: &str, result: LayerResult) -> Result<(), Refused> {
        let (enforced, detail) = match result {
            Ok(detail) => (true, detail),
            Err(detail) if self.optional.contains(&layer) => (false, detail),
            Err(detail) => {
                self.send(&Message::LayerMissing { layer, detail });
                return Err(Refused);
            }
        };
        self.send(&Message::Layer(LayerState { layer, enforced, name: name.to_owned(), detail }));
        Ok(())
    }

    pub(super) fn setup(&self, stage: &str, detail: String) -> Refused {
        self.send(&Message::Setup { stage: stage.to_owned(), detail });
        Refused
    }

    pub(super) fn optional(&self) -> &BTreeSet<Layer> {
        &self.optional
    }
}

impl<W: AsFd> Reporter<W> {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.to.as_fd()
    }
}
