//! `proofloop bench selection`: what the rules and records of a self-play round cost, and how that grows.

mod data;
mod store;
mod work;

use super::super::exit::Exit;
use super::super::output;
use super::measure::{self, Span};
use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::num::NonZeroUsize;

/// Arguments of `proofloop bench selection`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// Conjectures at the largest size; there are a quarter and a half of it before
    #[arg(long, default_value = "1000000", value_parser = clap::value_parser!(u32).range(4..))]
    conjectures: u32,
    /// Unproved statements at the largest size
    #[arg(long, default_value = "100000", value_parser = clap::value_parser!(u32).range(4..))]
    targets: u32,
    /// Numbers in an embedding
    #[arg(long, default_value = "256")]
    dim: NonZeroUsize,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "dedup,screening,rules,transport,store")]
    parts: Vec<Part>,
    /// Targets whose nearest conjectures are looked for without the index too, to see what the index misses
    #[arg(long, default_value_t = 256)]
    sample: usize,
    /// Threads of what has several [default: the machine's]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Of what is made up
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Keys of conjectures up to renaming, and a set of them
    Dedup,
    /// A record for each output of the conjecturer, and counts
    Screening,
    /// The selection rules but transport: seeds, targets, conjectures, proofs
    Rules,
    /// Weights from the transport to unproved statements
    Transport,
    /// Verdicts, stages and queries of a run's store
    Store,
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy, Serialize)]
struct Size {
    conjectures: usize,
    targets: usize,
    dim: usize,
}

/// What something took at one size.
#[derive(Debug, Serialize)]
struct Measure {
    conjectures: usize,
    targets: usize,
    #[serde(flatten)]
    span: Span,
    /// The most memory that was resident while it ran, what it worked on included.
    peak_memory_bytes: Option<u64>,
    /// What came out.
    result: String,
}

/// Something at all sizes.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    measures: Vec<Measure>,
    /// `log2(t(4N) / t(N)) / 2`: 1 is linear, 2 quadratic.
    growth_wall: f64,
    growth_cpu: f64,
}

#[derive(Debug, Serialize)]
struct Results {
    seed: u64,
    dim: usize,
    threads: NonZeroUsize,
    /// False if the system did not let peaks be forgotten: then each is the most since the program began.
    peaks_are_of_one_measure: bool,
    rows: Vec<Row>,
}

/// Where measures are collected.
struct Bench {
    threads: NonZeroUsize,
    seed: u64,
    sample: usize,
    forgets_peaks: bool,
    rows: Vec<Row>,
}

impl Bench {
    /// Measures `work`, which says what came out.
    fn measure<T>(
        &mut self,
        name: &'static str,
        size: Size,
        work: impl FnOnce() -> anyhow::Result<(T, String)>,
    ) -> anyhow::Result<T> {
        output::say(&format!("{name}, {} conjectures", size.conjectures));
        self.forgets_peaks &= measure::forget_peak_memory();
        let ((value, result), span) = measure::spent(work).with_context(|| format!("{name} failed"))?;
        let measure = Measure {
            conjectures: size.conjectures,
            targets: size.targets,
            span,
            peak_memory_bytes: measure::own_peak_memory_bytes(),
            result,
        };
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.measures.push(measure),
            None => {
                let nan = f64::NAN;
                self.rows.push(Row { name, measures: vec![measure], growth_wall: nan, growth_cpu: nan });
            }
        }
        Ok(value)
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let results = tokio::task::spawn_blocking({
        let threads = args.threads.map_or_else(std::thread::available_parallelism, Ok)?;
        move || measure_all(&args, threads).map(|results| (results, args.json))
    });
    let (results, json) = results.await.context("the measurements were cut off")??;
    if json {
        output::data(&serde_json::to_string_pretty(&results)?)?;
    } else {
        print(&results)?;
    }
    Ok(Exit::Success)
}

fn measure_all(args: &Args, threads: NonZeroUsize) -> anyhow::Result<Results> {
    let mut bench =
        Bench { threads, seed: args.seed, sample: args.sample, forgets_peaks: true, rows: Vec::new() };
    for divisor in [4, 2, 1] {
        let size = Size {
            conjectures: (args.conjectures / divisor) as usize,
            targets: (args.targets / divisor) as usize,
            dim: args.dim.get(),
        };
        for part in &args.parts {
            match part {
                Part::Dedup => work::dedup(&mut bench, size)?,
                Part::Screening => work::screening(&mut bench, size)?,
                Part::Rules => work::rules(&mut bench, size)?,
                Part::Transport => work::transport(&mut bench, size)?,
                Part::Store => store::store(&mut bench, size)?,
            }
        }
    }
    for row in &mut bench.rows {
        row.growth_wall = growth(&row.measures, |measure| measure.span.wall_s);
        row.growth_cpu = growth(&row.measures, |measure| measure.span.cpu_s);
    }
    let Bench { forgets_peaks: peaks_are_of_one_measure, rows, .. } = bench;
    Ok(Results { seed: args.seed, dim: args.dim.get(), threads, peaks_are_of_one_measure, rows })
}

/// By what power of the size a time grows, from the first measure to the last; times too short to tell are no number.
fn growth(measures: &[Measure], time: impl Fn(&Measure) -> f64) -> f64 {
    let (Some(first), Some(last)) = (measures.first(), measures.last()) else { return f64::NAN };
    let sizes = (last.conjectures as f64 / first.conjectures as f64).log2();
    (time(last) / time(first)).log2() / sizes
}

fn print(results: &Results) -> std::io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "conjectures", "targets", "wall s", "CPU s", "peak", "growth", "result"]);
    for row in &results.rows {
        for (at, measure) in row.measures.iter().enumerate() {
            let Measure { conjectures, targets, span, peak_memory_bytes, result } = measure;
            let is_last = at + 1 == row.measures.len();
            let growth = || format!("{:.2} wall, {:.2} CPU", row.growth_wall, row.growth_cpu);
            table.add_row([
                if at == 0 { row.name.to_owned() } else { String::new() },
                conjectures.to_string(),
                targets.to_string(),
                format!("{:.2}", span.wall_s),
                format!("{:.2}", span.cpu_s),
                peak_memory_bytes.map_or_else(String::new, |bytes| bytesize::ByteSize(bytes).to_string()),
                if is_last { growth() } else { String::new() },
                result.clone(),
            ]);
        }
    }
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    output::data(&table.to_string())?;
    let Results { seed, dim, threads, peaks_are_of_one_measure, .. } = results;
    output::data(&format!(
        "embeddings of {dim} numbers, seed {seed}, {threads} threads; growth: the power of the size"
    ))?;
    if *peaks_are_of_one_measure {
        return Ok(());
    }
    output::data("peaks are since the program began: this system does not forget them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_a_power_of_the_size() {
        let measure = |conjectures, wall_s| Measure {
            conjectures,
            targets: 1,
            span: Span { cpu_s: 1.0, wall_s },
            peak_memory_bytes: None,
            result: String::new(),
        };
        let measures = [measure(100, 1.0), measure(200, 9.0), measure(400, 16.0)];
        assert!((growth(&measures, |measure| measure.span.wall_s) - 2.0).abs() < 1e-12);
        assert!(growth(&measures, |measure| measure.span.cpu_s).abs() < 1e-12);
        assert!(growth(&[], |measure| measure.span.wall_s).is_nan());
    }

    #[test]
    fn every_part_is_measured_at_three_sizes() {
        let args = Args {
            conjectures: 800,
            targets: 80,
            dim: NonZeroUsize::new(16).expect("not 0"),
            parts: vec![Part::Dedup, Part::Screening, Part::Rules, Part::Transport, Part::Store],
            sample: 10,
            threads: None,
            seed: 1,
            json: true,
        };
        let results = measure_all(&args, NonZeroUsize::MIN).expect("measured");
        assert!(results.rows.len() >= 5);
        for row in &results.rows {
            assert_eq!(row.measures.iter().map(|one| one.conjectures).collect::<Vec<_>>(), [200, 400, 800]);
        }
        print(&results).expect("printed");
    }
}
