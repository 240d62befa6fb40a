//! One iteration in numbers.

use super::conjectures::Screening;
use super::facts::{Facts, Proving};
use super::text;
use crate::selfplay::prover::Prover;
use proofloop_datasets::rename;
use proofloop_datasets::store::{ConjectureRecord, Origin, StageRecord, StatementId};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What happened in one iteration. What is not known is left open.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IterationData {
    /// From 1.
    pub iteration: u32,
    /// What became of the conjecturer's outputs.
    pub screening: Option<Screening>,
    /// Conjectures that were sampled.
    pub conjectures_attempted: u64,
    /// Conjectures that were proved.
    pub conjectures_proved: u64,
    /// Problems that were sampled.
    pub problems_attempted: u64,
    /// Problems that were proved.
    pub problems_proved: u64,
    /// Proofs that were sampled, and so judged.
    pub samples: u64,
    /// Those that differ in statement or text.
    pub distinct_samples: u64,
    /// Tokens of the samples.
    pub tokens: u64,
    /// How many samples got which verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// How much variety there is.
    pub diversity: Diversity,
    /// How long things are.
    pub lengths: Lengths,
    /// Share of parsed conjectures whose conclusion is an alternative.
    pub disjunctive: Option<f64>,
    /// Time by the clock of each stage, in seconds.
    pub stage_seconds: BTreeMap<String, f64>,
    /// Distinct candidates judged in a second of the stage `prove`.
    pub verdicts_per_second: Option<f64>,
    /// Share of the stage `prove` in which the generator was busy.
    pub generator_busy: Option<f64>,
    /// Share of the stage `prove` in which the farm was busy.
    pub farm_busy: Option<f64>,
    /// The trainer's last loss, in nats per token.
    pub loss: Option<f64>,
    /// Examples that were trained on.
    pub examples: Option<u64>,
}

/// How much variety there is in an iteration.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Diversity {
    /// Conjectures that were not known already, up to renaming.
    pub statements: Option<u64>,
    /// Their share of all that parsed.
    pub statement_share: Option<f64>,
    /// Distinct accepted proofs.
    pub proofs: u64,
    /// Those that name a lemma.
    pub lemma_proofs: u64,
    /// Distinct lemmas that these name.
    pub lemmas: u64,
    /// How many lemmas they name as if evenly (see [`text::effective_number`]).
    pub effective_lemmas: Option<f64>,
    /// Distinct tactics that they begin with.
    pub first_tactics: u64,
    /// Distinct accepted proofs of a proved statement, on average.
    pub proofs_per_statement: Option<f64>,
}

/// Mean lengths in characters.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Lengths {
    /// Of parsed conjectures.
    pub statement: Option<f64>,
    /// Of their conclusions.
    pub conclusion: Option<f64>,
    /// Of distinct accepted proofs.
    pub proof: Option<f64>,
}

/// All iterations that have begun, in order.
pub(super) fn iterations(facts: &Facts, screenings: &BTreeMap<u32, Screening>) -> Vec<IterationData> {
    let origins: BTreeMap<StatementId, Origin> =
        facts.statements.iter().map(|statement| (statement.id, statement.origin)).collect();
    // What comes before and after the loop has numbers of its own.
    let in_loop = |stage: &&StageRecord| matches!(stage.stage.as_str(), "conjecture" | "prove" | "select");
    let begun: BTreeSet<u32> = facts.stages.iter().filter(in_loop).map(|stage| stage.iteration).collect();
    let mut all = Vec::new();
    for iteration in begun {
        let mut one = IterationData { iteration, ..IterationData::default() };
        if let Some(proving) = facts.proving.get(&iteration) {
            one.count_proving(proving, facts.settings.prover, &origins);
        }
        one.screening = screenings.get(&iteration).copied();
        let of_this = facts.conjectures.iter().filter(|record| record.iteration == iteration);
        one.measure_conjectures(of_this);
        for stage in facts.stages.iter().filter(|stage| stage.iteration == iteration) {
            one.read_stage(stage);
        }
        all.push(one);
    }
    all
}

impl IterationData {
    fn count_proving(&mut self, proving: &Proving, prover: Prover, origins: &BTreeMap<StatementId, Origin>) {
        for rate in &proving.rates {
            let proved = u64::from(rate.accepted > 0);
            match origins.get(&rate.statement) {
                Some(Origin::Conjecture) => {
                    self.conjectures_attempted += 1;
                    self.conjectures_proved += proved;
                }
                Some(Origin::Problem) | None => {
                    self.problems_attempted += 1;
                    self.problems_proved += proved;
                }
            }
        }
        self.samples = proving.tally.samples;
        self.distinct_samples = proving.tally.distinct;
        self.tokens = proving.tally.tokens;
        self.verdicts = proving.tally.verdicts.clone();
        self.measure_proofs(proving, prover);
    }

    fn measure_proofs(&mut self, proving: &Proving, prover: Prover) {
        let mut lemmas: BTreeMap<String, u64> = BTreeMap::new();
        let proofs = || proving.proofs.iter();
        for named in proofs().map(|proof| prover.lemmas(&proof.completion)) {
            self.diversity.lemma_proofs += u64::from(!named.is_empty());
            named.into_iter().for_each(|lemma| *lemmas.entry(lemma).or_default() += 1);
        }
        let tactics: BTreeSet<&str> =
            proofs().filter_map(|proof| text::first_tactic(&proof.completion)).collect();
        let statements: BTreeSet<StatementId> = proofs().map(|proof| proof.statement).collect();
        let count = proving.proofs.len();
        self.diversity.proofs = count as u64;
        self.diversity.lemmas = lemmas.len() as u64;
        self.diversity.effective_lemmas = text::effective_number(&lemmas);
        self.diversity.first_tactics = tactics.len() as u64;
        self.diversity.proofs_per_statement = (count > 0).then(|| count as f64 / statements.len() as f64);
        self.lengths.proof = mean(proofs().map(|proof| proof.completion.trim().chars().count()));
    }

    fn measure_conjectures<'a>(&mut self, records: impl Iterator<Item = &'a ConjectureRecord>) {
        let parsed = |record: &&ConjectureRecord| record.outcome != "unparsable";
        let texts: Vec<&str> = records.filter(parsed).map(|record| record.text.as_str()).collect();
        let conclusions: Vec<&str> = texts.iter().filter_map(|text| rename::conclusion(text)).collect();
        self.lengths.statement = mean(texts.iter().map(|text| text.chars().count()));
        self.lengths.conclusion = mean(conclusions.iter().map(|text| text.chars().count()));
        self.disjunctive = disjunctive_share(&conclusions);
        if let Some(screening) = &self.screening {
            let (distinct, parsed) = (screening.distinct(), screening.parsed());
            self.diversity.statements = Some(distinct);
            self.diversity.statement_share = (parsed > 0).then(|| distinct as f64 / parsed as f64);
        }
    }

    fn read_stage(&mut self, stage: &StageRecord) {
        let seconds = stage.wall_ms as f64 / 1000.0;
        self.stage_seconds.insert(stage.stage.clone(), seconds);
        let detail = &stage.detail;
        match stage.stage.as_str() {
            "prove" => {
                let judged = self.distinct_samples > 0 && seconds > 0.0;
                self.verdicts_per_second = judged.then(|| self.distinct_samples as f64 / seconds);
                self.generator_busy = detail.pointer("/busy/generator").and_then(Value::as_f64);
                self.farm_busy = detail.pointer("/busy/farm").and_then(Value::as_f64);
            }
            "train" => {
                self.loss = detail.get("loss").and_then(Value::as_f64);
                self.examples = detail.get("examples").and_then(Value::as_u64);
            }
            _ => {}
        }
    }
}

/// The share of alternatives; `None` without a conclusion.
pub(super) fn disjunctive_share(conclusions: &[&str]) -> Option<f64> {
    mean(conclusions.iter().map(|text| usize::from(rename::is_disjunction(text))))
}

fn mean(values: impl Iterator<Item = usize>) -> Option<f64> {
    let (sum, count) = values.fold((0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum as f64 / f64::from(count))
}
