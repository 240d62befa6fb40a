//! What a run's store costs: verdicts as they come, stages, and what selection asks for.

use super::{Bench, Size, data};
use anyhow::Context;
use proofloop_datasets::Split;
use proofloop_datasets::store::{
    CandidateId, CandidateText, ConjectureRecord, Lineage, Origin, RunStore, Sample, StageKey, StageWrites,
    Statement, VerdictRecord,
};
use std::ops::Range;

/// Conjectures of a round.
const ROUND: usize = 50_000;

const PROVE: &str = "prove";

/// One sample of each conjecture.
pub(super) fn store(bench: &mut Bench, size: Size) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a directory")?;
    let mut store = RunStore::create(&folder.path().join("store.sqlite"))?;
    let problem = StageWrites { statements: vec![statement(0)], ..StageWrites::default() };
    store.finish_stage(StageKey { iteration: 0, stage: "problems" }, &problem)?;
    drop(problem);
    let candidates = bench.measure("store: verdicts", size, || {
        let candidates = verdicts(&mut store, size.conjectures)?;
        Ok((candidates, "a transaction each".to_owned()))
    })?;
    bench.measure("store: stages", size, || {
        let rounds = rounds(size.conjectures);
        for (iteration, numbers) in (1..).zip(&rounds) {
            let made = conjectures(iteration, numbers.clone());
            store.finish_stage(StageKey { iteration, stage: "conjecture" }, &made)?;
            let proved = samples(iteration, numbers.clone(), &candidates);
            store.finish_stage(StageKey { iteration, stage: PROVE }, &proved)?;
        }
        Ok(((), format!("{} rounds of two", rounds.len())))
    })?;
    let bytes = std::fs::metadata(store.path())?.len();
    bench.measure("store: queries", size, || {
        let known = (1..=size.conjectures).map(|number| store.find(&key(number)));
        let known = known.filter(|found| !matches!(found, Ok(None))).collect::<Result<Vec<_>, _>>()?.len();
        let last = rounds(size.conjectures).len() as u32;
        let rates = store.pass_rates(PROVE, 1..=last)?.len();
        let proofs = store.proofs(PROVE, last.saturating_sub(2)..=last)?.len();
        let records = store.conjectures(Some(last))?.len();
        let size = bytesize::ByteSize(bytes);
        Ok(((), format!("{known} keys, {rates} rates, {proofs} proofs, {records} records of {size}")))
    })
}

/// The numbers of the conjectures of each round, from 1.
fn rounds(conjectures: usize) -> Vec<Range<usize>> {
    let end = |first: usize| (first + ROUND).min(conjectures + 1);
    (1..=conjectures).step_by(ROUND).map(|first| first..end(first)).collect()
}

/// A statement has the number after its conjecture's: the first is the problem.
fn statement(number: usize) -> Statement {
    let lineage = Lineage { iteration: 1, seed: 1, lemma: "Nat.add_comm".to_owned(), level: 1 };
    let is_problem = number == 0;
    Statement {
        id: number as i64 + 1,
        key: key(number),
        name: format!("conjecture_{number}"),
        header: data::HEADER.to_owned(),
        text: data::statement(number),
        origin: if is_problem { Origin::Problem } else { Origin::Conjecture },
        split: is_problem.then_some(Split::Train),
        known: None,
        lineage: (!is_problem).then_some(lineage),
    }
}

fn key(number: usize) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

/// A verdict on a proof of each conjecture; one in four is accepted.
fn verdicts(store: &mut RunStore, conjectures: usize) -> anyhow::Result<Vec<CandidateId>> {
    let verdict = |number: usize| {
        let is_accepted = number.is_multiple_of(4);
        VerdictRecord {
            verdict: if is_accepted { "accepted" } else { "rejected" }.to_owned(),
            reason: (!is_accepted).then(|| "error".to_owned()),
            assurance: is_accepted.then(|| "audited".to_owned()),
            message: (!is_accepted).then(|| "linarith failed to find a contradiction".to_owned()),
            wall_ms: 900,
            cpu_ms: 800,
            peak_memory_bytes: 1 << 30,
        }
    };
    let add = |number: usize| {
        let (statement, completion) = (data::statement(number), data::proof(number, 0));
        let candidate =
            CandidateText { header: data::HEADER, statement: &statement, completion: &completion };
        store.add_verdict(&candidate, &verdict(number))
    };
    Ok((1..=conjectures).map(add).collect::<Result<_, _>>()?)
}

fn conjectures(iteration: u32, numbers: Range<usize>) -> StageWrites {
    let statements: Vec<Statement> = numbers.map(statement).collect();
    let record = |(ordinal, statement): (u32, &Statement)| ConjectureRecord {
        iteration,
        ordinal,
        seed: 1,
        lemma: "Nat.add_comm".to_owned(),
        text: statement.text.clone(),
        outcome: "new".to_owned(),
        statement: Some(statement.id),
    };
    let conjectures = (0..).zip(&statements).map(record).collect();
    StageWrites { statements, conjectures, ..StageWrites::default() }
}

fn samples(iteration: u32, numbers: Range<usize>, candidates: &[CandidateId]) -> StageWrites {
    let sample = |number: usize| Sample {
        stage: PROVE.to_owned(),
        iteration,
        statement: number as i64 + 1,
        sample: 0,
        candidate: candidates[number - 1],
        tokens: 80,
        finish: "stop".to_owned(),
    };
    StageWrites { samples: numbers.map(sample).collect(), ..StageWrites::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_all_conjectures() {
        assert_eq!(rounds(3).first(), Some(&(1..4)));
        assert_eq!(rounds(ROUND).len(), 1);
        assert_eq!(rounds(ROUND + 2), [1..ROUND + 1, ROUND + 1..ROUND + 3]);
    }
}
