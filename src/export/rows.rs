//! What can be exported: the columns and the rows of each kind.

use super::error::{ExportError, Result};
use super::table::{Cell, Column, Row};
use proofloop_datasets::Split;
use proofloop_datasets::store::{
    Attempt, AttemptFilter, ConjectureRecord, RunStore, StageFilter, Statement, StatementId,
};
use std::collections::BTreeMap;

/// The stages in which a model is evaluated on held-out problems: nothing that may be learnt from.
const HELD_OUT: [&str; 2] = ["before", "after"];
/// The stage whose samples say how hard a conjecture is.
const PROVE: &str = "prove";
/// How many pairs one statement gives, so that no easy one outweighs the others.
const MAX_PAIRS: usize = 8;

const PROOFS: [Column; 10] = [
    Column::text("id"),
    Column::text("kind"),
    Column::text("name"),
    Column::text("split"),
    Column::text("origin"),
    Column::whole("iteration"),
    Column::text("header"),
    Column::text("formal_statement"),
    Column::text("completion"),
    Column::whole("multiplicity"),
];
const CONJECTURES: [Column; 8] = [
    Column::text("name"),
    Column::whole("iteration"),
    Column::text("header"),
    Column::text("formal_statement"),
    Column::text("seed"),
    Column::text("lemma"),
    Column::text("outcome"),
    Column::number("pass_rate").optional(),
];
const SFT: [Column; 3] = [Column::text("prompt"), Column::text("completion"), Column::number("weight")];
const PREFERENCES: [Column; 3] = [Column::text("prompt"), Column::text("chosen"), Column::text("rejected")];

/// What is known of a run beside its store.
#[derive(Clone, Copy)]
pub struct Language<'a> {
    /// Who judges its proofs, as `proofloop verify` calls it.
    pub kind: &'static str,
    /// What the prover is shown of a header and a statement.
    pub prompt: &'a dyn Fn(&str, &str) -> String,
}

/// Takes rows.
type Sink<'a> = &'a mut dyn FnMut(Row) -> Result<()>;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Every accepted candidate that was sampled, once, by (statement, completion): `proofloop verify` judges it as it is.
    /// A conjecture, which belongs to no data set, has the split `train`: the run learns from it.
    Proofs {
        /// Those of the held-out evaluation too.
        held_out: bool,
    },
    /// Every output of the conjecturer with what became of it, by (iteration, ordinal). The pass rate is there for those
    /// that were new and attempted: of the samples of their own iteration.
    Conjectures,
    /// Every example, once, with the weight that it had last.
    Sft {
        /// Only those that this iteration selected.
        iteration: Option<u32>,
    },
    /// Pairs of an accepted and a rejected completion of one statement, one to one in the order of their texts, at most
    /// 8 for a statement; nothing of the held-out evaluation, and no candidate without a verdict of its own (a timeout
    /// says nothing about a proof).
    Preferences,
}

impl What {
    /// The columns of its rows.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Proofs { .. } => &PROOFS,
            Self::Conjectures => &CONJECTURES,
            Self::Sft { .. } => &SFT,
            Self::Preferences => &PREFERENCES,
        }
    }

    /// Hands over its rows.
    ///
    /// # Errors
    /// The store can't be read; what `sink` says.
    pub fn each_row(self, store: &RunStore, language: Language<'_>, sink: Sink<'_>) -> Result<()> {
        match self {
            Self::Proofs { held_out } => proofs(store, held_out, language.kind, sink),
            Self::Conjectures => conjectures(store, sink),
            Self::Sft { iteration } => store.each_latest_example(iteration, &mut |example| {
                sink(vec![example.prompt.into(), example.completion.into(), example.weight.into()])
            }),
            Self::Preferences => preferences(store, language, sink),
        }
    }
}

fn statement(store: &RunStore, id: StatementId) -> Result<Statement> {
    store.statement(id)?.ok_or(ExportError::NoStatement { id })
}

/// Hands over the distinct candidates of one statement at a time.
fn each_statement(
    store: &RunStore,
    filter: &AttemptFilter<'_>,
    sink: &mut dyn FnMut(&Statement, Vec<Attempt>) -> Result<()>,
) -> Result<()> {
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut close = |attempts: &mut Vec<Attempt>| match attempts.first() {
        None => Ok(()),
        Some(first) => sink(&statement(store, first.statement)?, std::mem::take(attempts)),
    };
    store.each_attempt(filter, &mut |attempt| {
        if attempts.first().is_some_and(|first| first.statement != attempt.statement) {
            close(&mut attempts)?;
        }
        attempts.push(attempt);
        Ok::<_, ExportError>(())
    })?;
    close(&mut attempts)
}

fn proofs(store: &RunStore, held_out: bool, kind: &str, sink: Sink<'_>) -> Result<()> {
    let stages = StageFilter::Except(if held_out { &[] } else { &HELD_OUT });
    let filter = AttemptFilter { stages, iterations: 0..=u32::MAX, accepted_only: true };
    each_statement(store, &filter, &mut |statement, attempts| {
        for (ordinal, attempt) in (0u32..).zip(attempts) {
            sink(vec![
                format!("{}-{ordinal}", statement.id).into(),
                kind.into(),
                statement.name.as_str().into(),
                statement.split.unwrap_or(Split::Train).name().into(),
                statement.origin.name().into(),
                attempt.iteration.into(),
                statement.header.as_str().into(),
                statement.text.as_str().into(),
                attempt.completion.into(),
                attempt.multiplicity.into(),
            ])?;
        }
        Ok(())
    })
}

fn conjectures(store: &RunStore, sink: Sink<'_>) -> Result<()> {
    let rates = store.pass_rates(PROVE, 0..=u32::MAX)?;
    let rates: BTreeMap<_, _> =
        rates.iter().map(|rate| ((rate.statement, rate.iteration), rate.rate())).collect();
    store.each_conjecture(None, &mut |record: ConjectureRecord| {
        let seed = statement(store, record.seed)?;
        // Of what it became; what became nothing stands under the header of its seed.
        let own = record.statement.filter(|_| record.outcome == "new");
        let own = own.map(|id| statement(store, id)).transpose()?;
        let name = match &own {
            Some(own) => own.name.clone(),
            None => format!("conjecture_{}_{}", record.iteration, record.ordinal),
        };
        let rate = own.as_ref().and_then(|own| rates.get(&(own.id, record.iteration)).copied());
        let header = own.map_or(seed.header, |own| own.header);
        let cells: [Cell; 8] = [
            name.into(),
            record.iteration.into(),
            header.into(),
            record.text.into(),
            seed.name.into(),
            record.lemma.into(),
            record.outcome.into(),
            rate.into(),
        ];
        sink(cells.into())
    })
}

fn preferences(store: &RunStore, language: Language<'_>, sink: Sink<'_>) -> Result<()> {
    let stages = StageFilter::Except(&HELD_OUT);
    let filter = AttemptFilter { stages, iterations: 0..=u32::MAX, accepted_only: false };
    each_statement(store, &filter, &mut |statement, attempts| {
        let with = |verdict: &'static str| attempts.iter().filter(move |attempt| attempt.verdict == verdict);
        for (chosen, rejected) in with("accepted").zip(with("rejected")).take(MAX_PAIRS) {
            sink(vec![
                (language.prompt)(&statement.header, &statement.text).into(),
                chosen.completion.as_str().into(),
                rejected.completion.as_str().into(),
            ])?;
        }
        Ok(())
    })
}
