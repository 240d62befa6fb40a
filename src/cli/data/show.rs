//! `proofloop data show`.

use super::super::exit::Exit;
use super::super::output;
use super::super::problem_source::{Broken, PartArgs, ProblemRecord, Source};
use super::list;
use proofloop_datasets::errata::Errata;
use proofloop_datasets::registry::{Dataset, Registry};
use proofloop_datasets::write;
use proofloop_datasets::{CallCase, Format, IoCase, Kind, Problem, PythonProblem};

/// So many problems are shown where --limit and --only say nothing.
const DEFAULT_LIMIT: usize = 3;

/// Arguments of `proofloop data show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Data set, by its name (`proofloop data list`) or as a file
    #[arg(value_name = "NAME|FILE")]
    dataset: String,
    #[command(flatten)]
    part: PartArgs,
    /// Print the problems as our own JSONL and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut part = args.part.clone();
    let shown = part.limit.take().unwrap_or(if part.only.is_empty() { DEFAULT_LIMIT } else { usize::MAX });
    let selected = Source::of(&args.dataset, &part.reading)?.select(&args.dataset, &part, Broken::Report)?;
    let exit = if selected.broken == 0 { Exit::Success } else { Exit::Input };
    let problems = selected.problems.iter().take(shown);
    if args.json {
        for problem in problems {
            output::data(&write::line(problem, Format::Problem)?)?;
        }
        return Ok(exit);
    }
    output::data(&head(&selected.record))?;
    for problem in problems {
        output::data(&text(problem))?;
    }
    if selected.problems.len() > shown {
        output::say(&format!("… and {} more (--limit)", selected.problems.len() - shown));
    }
    Ok(exit)
}

fn head(record: &ProblemRecord) -> String {
    let mut lines =
        vec![format!("{}: {} problems, format {}", record.dataset, record.problems, record.format)];
    let lineage = record.lineage.as_deref().and_then(|name| Registry::known().find(name).ok());
    lines.extend(lineage.into_iter().flat_map(about));
    lines.extend(
        record
            .files
            .iter()
            .map(|file| format!("  file     {}\n  sha256   {}", file.path.display(), file.sha256)),
    );
    if record.no_problems > 0 {
        lines.push(format!("  besides  {} records that are no problems", record.no_problems));
    }
    let counts = record.errata_counts;
    if counts.listed > 0 {
        lines.push(format!(
            "  errata   {} statements known to be wrong, {} left out, {} corrected",
            counts.listed, counts.excluded, counts.corrected
        ));
        let listed = record.lineage.as_deref().and_then(|name| Errata::known().of(name));
        let statements = listed.into_iter().flat_map(|lineage| &lineage.statements);
        lines.extend(statements.map(|one| format!("    {} ({}): {}", one.name, one.fault, one.cause)));
    }
    lines.join("\n")
}

fn about(dataset: &Dataset) -> Vec<String> {
    let revision = dataset.revision.as_deref().map(|revision| format!(" @ {revision}")).unwrap_or_default();
    vec![
        format!("  about    {}", dataset.about),
        format!("  source   {}{revision}", dataset.source),
        format!("  licence  {}", dataset.licence),
        format!("  splits   {}", list::sizes(dataset)),
    ]
}

fn text(problem: &Problem) -> String {
    let mut text = format!(
        "\n# {} ({}, {})\n# {}\n{}",
        problem.name,
        problem.split,
        problem.language(),
        problem.content_hash(),
        asked(problem)
    );
    if let Some(known) = &problem.known {
        text.push_str(&format!("\n# known\n{}", known.trim_matches('\n')));
    }
    text
}

/// What is asked, as a person would read it.
fn asked(problem: &Problem) -> String {
    let words = problem.informal.trim_end();
    let asked = match &problem.kind {
        Kind::Lean(lean) => format!("{}{words}\n{}", lean.header, lean.statement),
        Kind::LeanGaps(gaps) => format!("{}{words}\n{}", gaps.header, gaps.text),
        Kind::Isabelle(isabelle) => {
            format!(
                "{words}\nimports {}\n{}\n{}",
                isabelle.imports.join(" "),
                isabelle.header,
                isabelle.statement
            )
        }
        Kind::Python(python) => format!("{words}\n{}", asked_of_python(python)),
    };
    asked.trim().to_owned()
}

fn asked_of_python(python: &PythonProblem) -> String {
    match python {
        PythonProblem::HumanEval { prompt, test, .. } => format!("{prompt}\n# test\n{test}"),
        PythonProblem::Function { prompt, tests, hidden_tests, .. } => {
            format!("{prompt}\n# tests\n{}\n# hidden tests\n{}", tests.join("\n"), hidden_tests.join("\n"))
        }
        PythonProblem::Asserts { setup, tests, challenge_tests } => {
            [std::slice::from_ref(setup), tests.as_slice(), challenge_tests.as_slice()].concat().join("\n")
        }
        PythonProblem::InputsAndOracle { prompt, base_inputs, plus_inputs, tolerance, .. } => format!(
            "{prompt}\n# {} inputs and {} more, tolerance {tolerance}; the first:\n{}",
            base_inputs.len(),
            plus_inputs.len(),
            base_inputs.first().or(plus_inputs.first()).map_or("", String::as_str)
        ),
        PythonProblem::StdinStdout { starter, cases } => {
            let first = cases.first().map(|IoCase { stdin, stdout }| format!("{stdin}---\n{stdout}"));
            format!("{starter}\n# {} cases; the first:\n{}", cases.len(), first.unwrap_or_default())
        }
        PythonProblem::Calls { entry_point, starter, cases } => {
            let first = cases.first().map(|CallCase { arguments, result }| format!("{arguments} → {result}"));
            format!(
                "{starter}\n# {} calls of {entry_point}; the first:\n{}",
                cases.len(),
                first.unwrap_or_default()
            )
        }
    }
}
