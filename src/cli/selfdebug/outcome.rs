//! What a run that is at its end says on standard output, and leaves in `results.json`.

use super::super::{output, whole_file};
use crate::evaluate::statistics::Estimate;
use crate::evaluate::worth::Worth;
use crate::selfdebug::RunFolder;
use crate::selfdebug::results::{HeldOut, Results};
use crate::selfplay;
use comfy_table::{CellAlignment, Table, presets};
use std::io::Write as _;

/// The file of the results in a run's folder.
const RESULTS: &str = "results.json";

/// Prints what came of a run.
pub(super) fn tell(folder: &RunFolder) -> anyhow::Result<()> {
    let store = selfplay::read_store(folder.path())?;
    let results = Results::read(&store, folder.settings())?;
    let text = serde_json::to_string_pretty(&results)?;
    whole_file::write(&folder.path().join(RESULTS), |mut file| {
        writeln!(file, "{text}")?;
        Ok(((), file))
    })?;
    if results.held_out.is_empty() {
        return Ok(());
    }
    output::data(&table(&results).to_string())?;
    for line in results.held_out.iter().flat_map(lines) {
        output::data(&line)?;
    }
    Ok(())
}

fn table(results: &Results) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "held-out, %",
        "pass@1",
        "after one refinement",
        "gain",
        "resampling",
        "over resampling",
        "mended",
    ]);
    for one in &results.held_out {
        table.add_row(row(one.model.to_owned(), &one.refinement));
        if let Some(direct) = &one.direct {
            table.add_row(row(format!("{}, no explanation", one.model), direct));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(name: String, worth: &Worth) -> [String; 7] {
    let mended = worth.mended.map_or_else(|| "-".to_owned(), |share| format!("{:.1}", 100.0 * share));
    [
        name,
        percent(&worth.first),
        percent(&worth.after),
        percent(&worth.gain),
        percent(&worth.resampling),
        percent(&worth.over_resampling),
        mended,
    ]
}

fn lines(one: &HeldOut) -> Vec<String> {
    let total = &one.refinement.total;
    let mut lines = vec![format!(
        "{}: {} first tries of {} problems, {:.1} tokens each; {} refined, {:.1} tokens written and {:.1} read each: as much as {:.2} further tries",
        one.model,
        total.samples,
        one.refinement.first.problems,
        mean(total.first_tokens, total.samples),
        total.tried,
        mean(total.later_tokens, total.tried),
        mean(total.later_read_tokens, total.tried),
        one.refinement.extra_samples,
    )];
    if let Some(read) = &one.refinement.over_resampling_read {
        let what = "over resampling, if what refinements read is paid for as well";
        lines.push(format!("{}: {what}: {}", one.model, percent(read)));
    }
    if let Some(difference) = &one.after_less_before {
        lines.push(format!(
            "{}: after one refinement, less the model before: {}",
            one.model,
            percent(difference)
        ));
    }
    lines
}

fn mean(sum: u64, count: u32) -> f64 {
    sum as f64 / f64::from(count.max(1))
}

/// `12.3 [9.8, 15.1]`.
fn percent(estimate: &Estimate) -> String {
    let Estimate { value, interval, .. } = estimate;
    format!("{:.1} [{:.1}, {:.1}]", 100.0 * value, 100.0 * interval.low, 100.0 * interval.high)
}
