//! What a run that is at its end says on standard output.

use super::super::output;
use crate::evaluate::statistics::Estimate;
use crate::selfplay::results::{HeldOut, Results};
use crate::selfplay::{self, RunFolder};

/// Prints what came of a run.
pub(super) fn tell(folder: &RunFolder) -> anyhow::Result<()> {
    let store = selfplay::read_store(folder.path())?;
    let results = Results::read(&store, folder.settings())?;
    for line in lines(&results) {
        output::data(&line)?;
    }
    Ok(())
}

fn lines(results: &Results) -> Vec<String> {
    let mut lines: Vec<String> = results.held_out.iter().map(line).collect();
    if let Some(test) = results.solved_held_out {
        lines.push(format!(
            "held-out problems solved: {} both times, {} only before, {} only after, {} never (McNemar p = {:.2e})",
            test.both, test.only_before, test.only_after, test.neither, test.p_value
        ));
    }
    if let Some(last) = results.solved.last() {
        lines.push(format!(
            "training problems without a shown proof: {} of {} solved with {} samples",
            last.solved, last.of, last.samples
        ));
    }
    lines
}

fn line(held_out: &HeldOut) -> String {
    let HeldOut { k, before, after, difference } = held_out;
    let mut text = format!("held-out pass@{k}: {}", percent(before));
    if let (Some(after), Some(difference)) = (after, difference) {
        text.push_str(&format!(" before, {} after; difference {}", percent(after), percent(difference)));
    }
    text
}

/// `12.3 % [9.8, 15.1]`.
fn percent(estimate: &Estimate) -> String {
    let Estimate { value, interval, .. } = estimate;
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * value, 100.0 * interval.low, 100.0 * interval.high)
}
