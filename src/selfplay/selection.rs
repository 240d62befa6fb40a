//! The second half of a round: which proofs and conjectures are learnt from, as examples.

use super::chance;
use super::embed::{self, Embeddings};
use super::error::Result;
use super::lemmas;
use super::prompts::Role;
use super::prover::Prover;
use super::run::Run;
use super::select::conjectures::{self, Conjecture, ConjectureProof, SelectedConjecture};
use super::select::proofs::{self, CorrectProof, ProofOf, ProofSettings, RoundRate};
use super::select::transport::{self, TransportSettings};
use super::settings::{ConjecturingSettings, RetrainSettings, RoundSettings};
use proofloop_datasets::store::{ExampleRecord, Origin, Proof, StageWrites, Statement, StatementId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything that selection reads from the store.
struct Found {
    statements: BTreeMap<StatementId, Statement>,
    proofs: Vec<Proof>,
    rates: Vec<RoundRate>,
}

/// Collects examples in their order.
#[derive(Default)]
struct Examples(Vec<ExampleRecord>);

impl Examples {
    fn push(&mut self, round: u32, role: Role, statement: StatementId, texts: (String, String), weight: f64) {
        let ordinal = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let (prompt, completion) = texts;
        let role = role.name().to_owned();
        self.0.push(ExampleRecord { iteration: round, ordinal, role, statement, prompt, completion, weight });
    }

    fn of(&self, role: Role) -> usize {
        self.0.iter().filter(|example| example.role == role.name()).count()
    }
}

impl Run<'_> {
    /// Selects the examples of a round and learns them; at a refresh, everything so far, from the base.
    pub(super) fn learn_round(&self, round: u32, learning: &RoundSettings) -> Result<()> {
        if let Some(retraining) = self.refresh(round) {
            self.select_anew(round, "select", round, &retraining.proofs)?;
            return self.train(round, &self.models.base(), &retraining.learn);
        }
        self.select(round, learning)?;
        let base = self.start(learning.from, round)?;
        self.train(round, &base, &learning.learn)
    }

    /// The refresh that a round is, if it is one.
    fn refresh(&self, round: u32) -> Option<&RetrainSettings> {
        let retraining = self.settings.retraining.as_ref()?;
        retraining.refresh_every.filter(|&every| every > 0 && round.is_multiple_of(every)).map(|_| retraining)
    }

    /// The first round whose proofs are learnt from in a round: within the buffer, and behind the last refresh.
    fn buffer_start(&self, round: u32, settings: &ProofSettings) -> u32 {
        let refreshed = (1..round).rev().find(|&earlier| self.refresh(earlier).is_some());
        settings.first_round(round).max(refreshed.map_or(0, |refreshed| refreshed + 1))
    }

    fn found(&self, from: u32, round: u32) -> Result<Found> {
        let store = self.stages.store();
        let statements = store.statements(None)?;
        let proofs = store.proofs("prove", from..=round)?;
        let rates = store.pass_rates("prove", from..=round)?;
        let rate = |rate: &proofloop_datasets::store::PassRate| RoundRate {
            statement: rate.statement,
            round: rate.iteration,
            samples: rate.samples,
            accepted: rate.accepted,
        };
        Ok(Found {
            statements: statements.into_iter().map(|statement| (statement.id, statement)).collect(),
            proofs,
            rates: rates.iter().map(rate).collect(),
        })
    }

    fn select(&self, round: u32, learning: &RoundSettings) -> Result<()> {
        let Some(stage) = self.stages.begin(round, "select", None)? else { return Ok(()) };
        let found = self.found(self.buffer_start(round, &learning.proofs), round)?;
        let mut examples = Examples::default();
        let prover = self.prover_examples(round, &found, &learning.proofs, round, &mut examples);
        let mut conjecturer = Value::Null;
        if let Some(rules) =
            self.settings.conjecturing.as_ref().filter(|_| self.settings.conjecturer_learns())
        {
            conjecturer = self.conjecturer_examples(round, &found, rules, &mut examples)?;
        }
        if learning.replay_sft {
            self.replay(round, &mut examples)?;
        }
        let (proofs, conjectures) = (examples.of(Role::Prover), examples.of(Role::Conjecturer));
        let summary = format!("{proofs} prover and {conjectures} conjecturer examples");
        let detail = json!({ "prover": prover, "conjecturer": conjecturer });
        self.stages.finish(
            &stage,
            StageWrites { examples: examples.0, detail, ..StageWrites::default() },
            summary,
        )
    }

    /// Everything that was proved so far and what was shown at first, for learning anew from the base.
    pub(super) fn select_anew(
        &self,
        round: u32,
        name: &str,
        up_to: u32,
        settings: &ProofSettings,
    ) -> Result<()> {
        let Some(stage) = self.stages.begin(round, name, None)? else { return Ok(()) };
        let found = self.found(0, up_to)?;
        let mut examples = Examples::default();
        let prover = self.prover_examples(round, &found, settings, up_to, &mut examples);
        self.replay(round, &mut examples)?;
        let summary = format!("{} examples to learn anew", examples.0.len());
        let detail = json!({ "prover": prover });
        self.stages.finish(
            &stage,
            StageWrites { examples: examples.0, detail, ..StageWrites::default() },
            summary,
        )
    }

    /// The examples of the initial training, once more.
    fn replay(&self, round: u32, examples: &mut Examples) -> Result<()> {
        if self.settings.initial.sft.is_none() {
            return Ok(());
        }
        let first = self.stages.store().examples(0)?;
        for example in first {
            let role = if example.role == Role::Prover.name() { Role::Prover } else { Role::Conjecturer };
            examples.push(
                round,
                role,
                example.statement,
                (example.prompt, example.completion),
                example.weight,
            );
        }
        Ok(())
    }

    fn prover_examples(
        &self,
        round: u32,
        found: &Found,
        settings: &ProofSettings,
        up_to: u32,
        examples: &mut Examples,
    ) -> proofs::ProofCounts {
        let of = |proof: &Proof| match found.statements.get(&proof.statement).map(|one| one.origin) {
            Some(Origin::Conjecture) => ProofOf::Conjecture,
            Some(Origin::Problem) | None => ProofOf::Dataset,
        };
        let mut correct = Vec::with_capacity(found.proofs.len());
        for proof in &found.proofs {
            correct.push(CorrectProof {
                statement: proof.statement,
                of: of(proof),
                text: &proof.completion,
                round: proof.iteration,
                verify_seconds: proof.wall_ms as f64 / 1e3,
            });
        }
        let seed = chance::seed(self.settings.seed, "proofs", round, 0);
        let (selected, counts) = proofs::select_proofs(&correct, &found.rates, up_to, settings, seed);
        let style = self.settings.prompts;
        for one in selected {
            let Some(statement) = found.statements.get(&one.statement) else { continue };
            let prompt = style.prover(&statement.header, &statement.text);
            let answer = style.proof_answer(correct[one.index].text);
            examples.push(round, Role::Prover, one.statement, (prompt, answer), one.weight);
        }
        counts
    }

    fn conjecturer_examples(
        &self,
        round: u32,
        found: &Found,
        rules: &ConjecturingSettings,
        examples: &mut Examples,
    ) -> Result<Value> {
        let attempted = attempted(found, round);
        let named = |proofs: &[&Proof]| named(self.settings.prover, proofs);
        let lemmas: Vec<Vec<Vec<String>>> = attempted.iter().map(|(_, proofs, _)| named(proofs)).collect();
        let given: Vec<Conjecture<'_>> = attempted.iter().zip(&lemmas).map(as_conjecture).collect();
        let seed = chance::seed(self.settings.seed, "conjectures", round, 0);
        let (selected, counts) = conjectures::select_conjectures(&given, &rules.select, seed);
        let (weights, moved) = match &rules.transport {
            Some(settings) => self.weigh(round, found, &selected, settings)?,
            None => (vec![1.0; selected.len()], Value::Null),
        };
        let standing = self.standing(round)?;
        for (one, weight) in selected.iter().zip(weights).filter(|(_, weight)| *weight > 0.0) {
            let Some(statement) = found.statements.get(&one.statement) else { continue };
            let Some(lineage) = &statement.lineage else { continue };
            let Some(seed) = found.statements.get(&lineage.seed) else { continue };
            let prompt = self.conjecture_prompt(&standing, seed, &one.lemma);
            let answer = self.settings.asking().conjecture_answer(&statement.text);
            examples.push(round, Role::Conjecturer, one.statement, (prompt, answer), weight);
        }
        Ok(json!({ "rules": counts, "transport": moved }))
    }

    /// Weights of conjectures that move them onto the unproved problems.
    fn weigh(
        &self,
        round: u32,
        found: &Found,
        selected: &[SelectedConjecture],
        settings: &TransportSettings,
    ) -> Result<(Vec<f64>, Value)> {
        let standing = self.standing(round + 1)?;
        let unproved: Vec<&Statement> =
            standing.problems.iter().filter(|one| standing.is_unproved(one)).collect();
        if selected.is_empty() || unproved.is_empty() {
            return Ok((vec![1.0; selected.len()], Value::Null));
        }
        let (model, tokenizer) = (self.models.decoder(round - 1)?, self.models.tokenizer()?);
        let embed = |texts: Vec<String>| -> Result<Embeddings> {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            tokio::task::block_in_place(|| embed::embed(&model, &tokenizer, &texts))
        };
        let text = |one: &Statement| self.settings.prover.without_name(&one.text);
        let chosen = selected.iter().filter_map(|one| found.statements.get(&one.statement)).map(text);
        let points = embed(chosen.collect())?;
        let goals = embed(unproved.into_iter().map(text).collect())?;
        let matches = vec![1_u32; goals.values.len() / goals.dimension.max(1)];
        let moved = transport::transport(
            transport::Embeddings::new(&points.values, points.dimension)?,
            transport::Targets {
                embeddings: transport::Embeddings::new(&goals.values, goals.dimension)?,
                matches: &matches,
            },
            settings,
            chance::seed(self.settings.seed, "transport", round, 0),
            self.equipment.compute.threads,
        )?;
        let detail = json!({ "counts": moved.counts, "mean_similarity": moved.mean_similarity });
        Ok((moved.weights, detail))
    }
}

/// A conjecture of a round with its proofs and its pass rate there.
type Attempted<'a> = (&'a Statement, Vec<&'a Proof>, f64);

fn attempted(found: &Found, round: u32) -> Vec<Attempted<'_>> {
    let rates: BTreeMap<StatementId, &RoundRate> = found
        .rates
        .iter()
        .filter(|rate| rate.round == round && rate.samples > 0)
        .map(|rate| (rate.statement, rate))
        .collect();
    let mut proofs: BTreeMap<StatementId, Vec<&Proof>> = BTreeMap::new();
    for proof in &found.proofs {
        proofs.entry(proof.statement).or_default().push(proof);
    }
    let is_new = |one: &&Statement| one.lineage.as_ref().is_some_and(|lineage| lineage.iteration == round);
    let one = |statement: &'_ Statement| -> Option<(StatementId, f64)> {
        let rate = rates.get(&statement.id)?;
        Some((statement.id, f64::from(rate.accepted) / f64::from(rate.samples)))
    };
    let all = found.statements.values().filter(is_new);
    all.filter_map(|statement| {
        let (id, rate) = one(statement)?;
        Some((statement, proofs.remove(&id).unwrap_or_default(), rate))
    })
    .collect()
}

/// The lemmas of each proof.
fn named(prover: Prover, proofs: &[&Proof]) -> Vec<Vec<String>> {
    proofs.iter().map(|proof| prover.lemmas(&proof.completion)).collect()
}

fn as_conjecture<'a>(
    ((statement, proofs, rate), lemmas): (&'a Attempted<'_>, &'a Vec<Vec<String>>),
) -> Conjecture<'a> {
    let proof = |(proof, lemmas): (&&Proof, &'a Vec<String>)| ConjectureProof {
        chars: proof.completion.chars().count(),
        lemmas,
    };
    Conjecture {
        statement: statement.id,
        text: &statement.text,
        lemma: statement.lineage.as_ref().map_or(lemmas::TRIVIAL, |lineage| lineage.lemma.as_str()),
        pass_rate: *rate,
        proofs: proofs.iter().zip(lemmas).map(proof).collect(),
    }
}
