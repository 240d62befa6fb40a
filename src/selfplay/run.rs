//! A run from its first stage to its last, and on from wherever an earlier process ended.
//!
//! A stage reads the store and the models of earlier rounds, and ends with one transaction
//! ([`RunStore::finish_stage`](proofloop_datasets::store::RunStore::finish_stage)). One that was interrupted is done again:
//! it draws the same samples, asks for the verdicts that are in the store, and so ends with what it would have ended with.

use super::busy::Meter;
use super::chance;
use super::error::Result;
use super::event::{Event, PlannedStage};
use super::folder::{self, RunFolder};
use super::initial;
use super::judge::Judge;
use super::learner::{self, Base, Compute, LearnSettings};
use super::listener::Listener;
use super::models::Models;
use super::problems;
use super::prompts::Role;
use super::rollout::{Job, Rollouts, Sampler};
use super::settings::{From, Settings};
use super::stage::Stages;
use crate::generate::{CandleGenerator, Sampling};
use proofloop_datasets::store::{ExampleRecord, Origin, StageWrites, Statement, StatementId};
use proofloop_datasets::{Problem, Split};
use proofloop_verifiers::farm::Farm;
use serde_json::json;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a run works with.
pub struct Equipment {
    /// Judges.
    pub farm: Arc<Farm>,
    /// Where models compute.
    pub compute: Compute,
    /// Hears what happens.
    pub listener: Listener,
    /// Ends the run at the next moment at which nothing is lost.
    pub cancel: CancellationToken,
}

/// Runs all stages that are not finished yet.
///
/// # Errors
/// [`SelfPlayError`]; what is in the folder can be gone on with.
pub async fn run(folder: &RunFolder, problems: &[Problem], equipment: &Equipment) -> Result<()> {
    let settings = folder.settings();
    settings.check()?;
    let store = Arc::new(Mutex::new(folder::store(folder.path())?));
    let plain_only = settings.sampling.plain_proofs_only;
    let judge = Judge::new(Arc::clone(&equipment.farm), Arc::clone(&store), plain_only);
    let stages = Stages::new(store, equipment);
    let given = settings.initial.model.as_deref();
    let models = Models { folder: folder.path(), given, seed: settings.seed, equipment };
    let run = Run { settings, stages, models, judge, equipment };
    let started = Instant::now();
    run.stages.tell(Event::RunStarted {
        name: folder.name(),
        iterations: run.settings.iterations,
        plan: run.stages.left(self::stages(run.settings))?,
    });
    run.begin(problems).await?;
    for iteration in 1..=run.settings.iterations {
        run.iterate(iteration).await?;
    }
    run.end().await?;
    run.stages.tell(Event::RunFinished {
        seconds: started.elapsed().as_secs_f64(),
        summary: run.solved_summary()?,
    });
    Ok(())
}

/// All stages of a run, in their order.
#[must_use]
pub fn stages(settings: &Settings) -> Vec<PlannedStage> {
    let last = settings.iterations;
    let mut all = vec![(0, "problems")];
    if settings.initial.sft.is_some() {
        all.extend([(0, "sft"), (0, "train")]);
    }
    let evaluates = settings.evaluation.samples > 0;
    all.extend(evaluates.then_some((0, "before")));
    for iteration in 1..=last {
        all.extend(settings.conjecturing.is_some().then_some((iteration, "conjecture")));
        all.push((iteration, "prove"));
        if settings.learning.is_some() {
            all.extend([(iteration, "select"), (iteration, "train")]);
        }
    }
    if retrains_at_the_end(settings) {
        all.extend([(last + 1, "final-select"), (last + 1, "train")]);
    }
    all.extend((evaluates && learns(settings)).then_some((last + 1, "after")));
    let planned = |(iteration, stage): (u32, &str)| PlannedStage { iteration, stage: stage.to_owned() };
    all.into_iter().map(planned).collect()
}

fn learns(settings: &Settings) -> bool {
    settings.learning.is_some() || retrains_at_the_end(settings)
}

fn retrains_at_the_end(settings: &Settings) -> bool {
    settings.retraining.as_ref().is_some_and(|retraining| retraining.at_the_end)
}

pub(super) struct Run<'a> {
    pub(super) settings: &'a Settings,
    pub(super) stages: Stages<'a>,
    pub(super) models: Models<'a>,
    pub(super) judge: Judge,
    pub(super) equipment: &'a Equipment,
}

impl Run<'_> {
    /// Problems, initial training, first evaluation.
    async fn begin(&self, problems: &[Problem]) -> Result<()> {
        self.choose_problems(problems)?;
        self.initial_training(problems)?;
        self.evaluate(0, "before", 0).await
    }

    fn choose_problems(&self, problems: &[Problem]) -> Result<()> {
        let Some(stage) = self.stages.begin(0, "problems", None)? else { return Ok(()) };
        let chosen =
            problems::choose(problems, self.settings.prover, &self.settings.problems, self.settings.seed)?;
        let count = |split: Split| chosen.statements.iter().filter(|one| one.split == Some(split)).count();
        let shown = chosen.statements.iter().filter(|statement| statement.known.is_some()).count();
        let (training, held_out) = (count(Split::Train), count(self.settings.problems.held_out));
        let detail = json!({
            "training": training,
            "held_out": held_out,
            "shown_proofs": shown,
            "duplicates": chosen.duplicates,
            "contaminated": chosen.contaminated,
        });
        let summary = format!(
            "{training} training problems, {shown} of them with their proof; {held_out} held out; {} left out as duplicates, {} as held out under another name",
            chosen.duplicates, chosen.contaminated
        );
        self.stages.finish(
            &stage,
            StageWrites { statements: chosen.statements, detail, ..StageWrites::default() },
            summary,
        )
    }

    /// Teaches the shown proofs.
    fn initial_training(&self, problems: &[Problem]) -> Result<()> {
        let Some(sft) = &self.settings.initial.sft else { return Ok(()) };
        if let Some(stage) = self.stages.begin(0, "sft", None)? {
            let statements = self.stages.store().statements(Some(Origin::Problem))?;
            let topic = |problem: &Problem| Some((problem.name.clone(), problem.metadata.topic.clone()?));
            let topics: BTreeMap<String, String> = problems.iter().filter_map(topic).collect();
            let shown = initial::shown(&statements, &topics);
            let mut examples =
                initial::examples(&shown, self.settings.asking(), sft.trivial_pairs, self.settings.seed);
            let held_out = Some(self.settings.problems.held_out);
            let training: Vec<&Statement> = statements.iter().filter(|one| one.split != held_out).collect();
            initial::add_alike(&mut examples, &training, self.settings.asking(), sft.nearest_pairs);
            if self.settings.initial.model.is_none() {
                self.train_tokenizer(&statements, &examples)?;
            }
            let summary = format!("{} examples of {} shown proofs", examples.len(), shown.len());
            let detail = json!({ "examples": examples.len(), "shown_proofs": shown.len() });
            self.stages.finish(
                &stage,
                StageWrites { examples, detail, ..StageWrites::default() },
                summary,
            )?;
        }
        self.train(0, &self.models.base(), &sft.learn)
    }

    /// Of all that the model may see before the first round: no text that is held out.
    fn train_tokenizer(&self, statements: &[Statement], examples: &[ExampleRecord]) -> Result<()> {
        let held_out = Some(self.settings.problems.held_out);
        let training = statements.iter().filter(|statement| statement.split != held_out);
        let prompts: Vec<String> =
            training.map(|one| self.settings.asking().prover(&one.header, &one.text)).collect();
        let mut texts: Vec<&str> = prompts.iter().map(String::as_str).collect();
        texts.extend(
            examples.iter().flat_map(|example| [example.prompt.as_str(), example.completion.as_str()]),
        );
        self.models.train_tokenizer(&texts)
    }

    /// Teaches the examples of a round, and removes models older than the one before.
    pub(super) fn train(&self, round: u32, base: &Base, settings: &LearnSettings) -> Result<()> {
        self.models.train(&self.stages, (round, "train"), base, settings)?;
        for old in 1..round.saturating_sub(1) {
            learner::forget(&self.models.round(old))?;
        }
        Ok(())
    }

    /// What a round begins with.
    pub(super) fn start(&self, from: From, round: u32) -> Result<Base> {
        Ok(Base::Folder(self.models.at(match from {
            From::Previous => round - 1,
            From::Initial => 0,
        })?))
    }

    pub(super) fn sampling(&self, role: Role) -> Sampling {
        let settings = &self.settings.sampling;
        let (temperature, max_tokens) = match role {
            Role::Prover => (settings.temperature, settings.max_proof_tokens),
            Role::Conjecturer => (settings.conjecture_temperature, settings.max_conjecture_tokens),
        };
        Sampling { temperature, max_tokens, stop: self.settings.asking().stops(role), ..Sampling::default() }
    }

    pub(super) fn sampler<'b>(
        &'b self,
        generator: &'b CandleGenerator,
        generating: &'b Meter,
        judging: &'b Meter,
    ) -> Sampler<'b> {
        Sampler {
            generator,
            judge: &self.judge,
            prompts: self.settings.asking(),
            listener: &self.equipment.listener,
            cancel: &self.equipment.cancel,
            generating,
            judging,
        }
    }

    pub(super) fn job(&self, statement: &Statement, samples: NonZeroUsize, seed: u64) -> Job {
        Job {
            statement: statement.id,
            header: statement.header.clone(),
            text: statement.text.clone(),
            prompt: self.settings.asking().prover(&statement.header, &statement.text),
            samples,
            seed,
        }
    }

    /// Held-out problems, with the model of a round.
    async fn evaluate(&self, iteration: u32, name: &str, round: u32) -> Result<()> {
        let Some(samples) = NonZeroUsize::new(self.settings.evaluation.samples) else { return Ok(()) };
        let held_out = Some(self.settings.problems.held_out);
        let statements = self.stages.store().statements(Some(Origin::Problem))?;
        let statements: Vec<&Statement> = statements.iter().filter(|one| one.split == held_out).collect();
        let total = (statements.len() * samples.get()) as u64;
        let Some(stage) = self.stages.begin(iteration, name, Some(total))? else { return Ok(()) };
        // The same draws before and after: what differs is the model.
        let seed = |id: StatementId| chance::seed(self.settings.seed, "held-out", 0, id);
        let jobs: Vec<Job> = statements.iter().map(|one| self.job(one, samples, seed(one.id))).collect();
        let (generating, judging) = (Meter::default(), Meter::default());
        let rollouts = if jobs.is_empty() {
            Rollouts::default()
        } else {
            let generator = self.models.generator(round)?;
            let sampling = self.prover_sampling();
            self.sampler(&generator, &generating, &judging).prove(&jobs, &sampling).await?
        };
        let accepted =
            rollouts.drawn.iter().filter(|drawn| rollouts.candidates[drawn.candidate].1.is_accepted());
        let summary = format!("{} of {total} proofs accepted", accepted.count());
        let detail = json!({ "problems": jobs.len(), "samples": rollouts.drawn.len(), "verdicts": rollouts.verdicts() });
        let samples = rollouts.samples(&self.judge, name, iteration)?;
        self.stages.finish(&stage, StageWrites { samples, detail, ..StageWrites::default() }, summary)
    }

    async fn iterate(&self, iteration: u32) -> Result<()> {
        self.attempt(iteration).await?;
        if let Some(learning) = &self.settings.learning {
            self.learn_round(iteration, learning)?;
        }
        Ok(())
    }

    /// Learning anew, last evaluation.
    async fn end(&self) -> Result<()> {
        let last = self.settings.iterations + 1;
        if let Some(retraining) = self.settings.retraining.as_ref().filter(|one| one.at_the_end) {
            self.select_anew(last, "final-select", self.settings.iterations, &retraining.proofs)?;
            self.train(last, &self.models.base(), &retraining.learn)?;
        }
        if learns(self.settings) {
            self.evaluate(last, "after", last).await?;
        }
        Ok(())
    }

    /// Training statements without a shown proof, and how many of them were proved in rounds up to this one.
    pub(super) fn solved(&self, iteration: u32) -> Result<(u64, u64)> {
        let store = self.stages.store();
        let statements = store.statements(Some(Origin::Problem))?;
        let unproved = statements.iter().filter(|one| one.split == Some(Split::Train) && one.known.is_none());
        let ids: std::collections::BTreeSet<StatementId> = unproved.map(|one| one.id).collect();
        let proofs = store.proofs("prove", 0..=iteration)?;
        let solved: std::collections::BTreeSet<StatementId> =
            proofs.into_iter().map(|proof| proof.statement).filter(|id| ids.contains(id)).collect();
        Ok((solved.len() as u64, ids.len() as u64))
    }

    fn solved_summary(&self) -> Result<String> {
        let (solved, of) = self.solved(self.settings.iterations)?;
        Ok(format!("{solved} of {of} training statements without a shown proof are proved"))
    }
}
