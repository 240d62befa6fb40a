//! The report of a run: one HTML file that holds everything it shows.
//!
//! [`Facts`] are read from a run's store; [`ReportData`] is computed from them by pure functions; [`html::page`] draws
//! it. Statements and proofs are a model's text: the template escapes every text, plots name nothing but axes, and no
//! data stands in a script.
//!
//! | file | what |
//! |---|---|
//! | `facts.rs`, `settings.rs` | what is read |
//! | `data.rs`, `iterations.rs`, `conjectures.rs`, `held_out.rs`, `hardest.rs` | what is computed |
//! | `alarms.rs` | signs that self-play collapses |
//! | `chart.rs`, `plots.rs` | SVG |
//! | `html.rs`, `report.html` | the page |
//! | `evaluation.rs`, `evaluation.html` | the page of an evaluation |
//! | `folder.rs` | from a run's folder to its page |
//! | `macros.html`, `style.css` | what both pages share |

mod alarms;
mod chart;
mod conjectures;
mod data;
pub mod evaluation;
mod facts;
pub mod folder;
mod hardest;
mod held_out;
pub mod html;
mod iterations;
mod plots;
#[cfg(test)]
mod sample_run;
mod settings;
mod text;

pub use alarms::{Alarm, Level};
pub use conjectures::{Bin, FunnelStep, Screening};
pub use data::{ReportData, SolvedCurve, SolvedPoint, Summary};
pub use evaluation::PageError;
pub use facts::{Facts, Proving, Tally};
pub use hardest::HardStatement;
pub use held_out::{Evaluation, PassRow, SolvedRow};
pub use iterations::{Diversity, IterationData, Lengths};
pub use settings::Settings;

/// A page that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A plot can't be drawn.
    #[error("cannot draw the plot `{plot}`: {problem}")]
    Plot {
        /// What its vertical axis shows.
        plot: String,
        /// What the drawing library says.
        problem: String,
    },
    /// The template can't be filled in.
    #[error("cannot fill in the page")]
    Page(#[from] minijinja::Error),
}
