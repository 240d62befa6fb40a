//! A run from its first stage to its last, and on from wherever an earlier process ended: as in self-play, a stage reads the
//! store and earlier models and ends with one transaction, so that one that was interrupted is done again with the same draws
//! and the verdicts that are there.

use super::collect::{self, Draw};
use super::dialogue::{Examiner, Manner, Taken, Talk};
use super::error::{Result, SelfDebugError};
use super::examples::Examples;
use super::folder::RunFolder;
use super::prompts::Ask;
use super::reinforce::{self, Rewarded};
use super::settings::{RlAlgorithm, RlSettings, Settings, Teacher};
use super::task::{Task, Tasks};
use crate::generate::Generator;
use crate::model::{Decoder, Tokenizer};
use crate::selfplay::event::{Event, PlannedStage};
use crate::selfplay::judge::Judge;
use crate::selfplay::learner::{self, Base};
use crate::selfplay::models::Models;
use crate::selfplay::stage::Stages;
use crate::selfplay::{self, Equipment, LearnSettings, SelfPlayError, chance};
use crate::train::policy::{
    Actions, Algorithm, LeaveOneOut, LogProbOptions, PolicyProgress, PolicySettings, PolicyTrainer, Ppo,
    Saving, Trajectory, log_probs,
};
use crate::train::{AdamWConfig, Checkpoints, Decay, Finish, Schedule, part_tokens};
use proofloop_datasets::Problem;
use proofloop_datasets::store::{ExampleRecord, NewTurn, StageWrites};
use serde_json::json;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Steps of a policy between its checkpoints.
const SAVE_EVERY: NonZeroU64 = NonZeroU64::new(20).expect("not 0");

/// Runs all stages that are not finished yet. `teacher` explains and refines where the settings say that a server does.
///
/// # Errors
/// [`SelfDebugError`]; what is in the folder can be gone on with.
pub async fn run(
    folder: &RunFolder,
    problems: &[Problem],
    equipment: &Equipment,
    teacher: Option<&dyn Generator>,
) -> Result<()> {
    let settings = folder.settings();
    settings.check()?;
    let teacher = match (settings.collect.teacher, teacher) {
        (Teacher::Own, _) => None,
        (Teacher::Server, Some(teacher)) => Some((Manner::Continued, teacher)),
        (Teacher::Chat, Some(teacher)) => Some((Manner::Instructed, teacher)),
        (Teacher::Server | Teacher::Chat, None) => {
            return Err(SelfDebugError::setting("collect.teacher", "is a server, and none was given"));
        }
    };
    let tasks = Tasks::choose(settings, problems)?;
    let store = Arc::new(Mutex::new(selfplay::folder::store(folder.path())?));
    let judge = Judge::new(Arc::clone(&equipment.farm), Arc::clone(&store), true);
    let given = settings.base.model.as_deref();
    let run = Run {
        settings,
        tasks: &tasks,
        stages: Stages::new(store, equipment),
        models: Models { folder: folder.path(), given, seed: settings.seed, equipment },
        judge,
        equipment,
        teacher,
    };
    let started = Instant::now();
    let plan = run.stages.left(stages(settings))?;
    let iterations = settings.rl.as_ref().map_or(1, |rl| 1 + rl.iterations);
    run.stages.tell(Event::RunStarted { name: folder.name(), iterations, plan });
    run.begin().await?;
    run.supervised().await?;
    if let Some(rl) = &settings.rl {
        for iteration in 1..=rl.iterations {
            run.reinforce(1 + iteration, rl).await?;
        }
        run.evaluate(1 + rl.iterations).await?;
    }
    let summary = "held-out problems are evaluated".to_owned();
    run.stages.tell(Event::RunFinished { seconds: started.elapsed().as_secs_f64(), summary });
    Ok(())
}

/// All stages of a run, in their order.
#[must_use]
pub fn stages(settings: &Settings) -> Vec<PlannedStage> {
    let mut all = vec![(0, "tasks")];
    if settings.base.model.is_none() {
        all.extend([(0, "sft"), (0, "train")]);
    }
    let evaluates = settings.evaluation.samples > 0;
    all.extend(evaluates.then_some((0, "held-out")));
    all.extend([(1, "collect"), (1, "train")]);
    all.extend(evaluates.then_some((1, "held-out")));
    if let Some(rl) = &settings.rl {
        all.extend((1..=rl.iterations).map(|iteration| (1 + iteration, "reinforce")));
        all.extend(evaluates.then_some((1 + rl.iterations, "held-out")));
    }
    let planned = |(iteration, stage): (u32, &str)| PlannedStage { iteration, stage: stage.to_owned() };
    all.into_iter().map(planned).collect()
}

struct Run<'a> {
    settings: &'a Settings,
    tasks: &'a Tasks,
    stages: Stages<'a>,
    models: Models<'a>,
    judge: Judge,
    equipment: &'a Equipment,
    /// Who explains and refines, if not the model itself.
    teacher: Option<(Manner, &'a dyn Generator)>,
}

impl<'a> Run<'a> {
    fn examiner(&self) -> Examiner<'_> {
        Examiner { judge: &self.judge, listener: &self.equipment.listener }
    }

    /// With one of our models.
    fn talk<'b>(&'b self, generator: &'b dyn Generator) -> Talk<'b> {
        let max_tokens = self.settings.evaluation.max_tokens;
        let cancel = &self.equipment.cancel;
        Talk { generator, manner: Manner::Continued, max_tokens, examiner: self.examiner(), cancel }
    }

    /// With whoever explains and refines in place of `own`.
    fn teacher<'b>(&'b self, own: &'b dyn Generator) -> Talk<'b> {
        match self.teacher {
            None => self.talk(own),
            Some((manner, generator)) => {
                let max_tokens = self.settings.collect.teacher_tokens;
                Talk { generator, manner, max_tokens, ..self.talk(own) }
            }
        }
    }

    /// Tasks, initial training, first evaluation.
    async fn begin(&self) -> Result<()> {
        if let Some(stage) = self.stages.begin(0, "tasks", None)? {
            let statements = self.tasks.statements(self.settings);
            let (training, held_out) = (self.tasks.training.len(), self.tasks.held_out.len());
            let detail = json!({ "training": training, "held_out": held_out });
            let summary = format!("{training} tasks to train on, {held_out} held out");
            self.stages.finish(
                &stage,
                StageWrites { statements, detail, ..StageWrites::default() },
                summary,
            )?;
        }
        if self.settings.base.model.is_none() {
            self.teach_writing().await?;
            self.train(0, &self.models.base(), &self.settings.base.learn)?;
        }
        self.evaluate(0).await
    }

    /// Examples of the base model: programs, and a few repairs.
    async fn teach_writing(&self) -> Result<()> {
        let Some(stage) = self.stages.begin(0, "sft", None)? else { return Ok(()) };
        let mut examples = Examples::of_round(0);
        self.tasks.training.iter().for_each(|task| examples.solution(task));
        let written = examples.len();
        let repairs = (written as f64 * self.settings.base.debug_share) as usize;
        let repairs = &self.tasks.repairs[..repairs.min(self.tasks.repairs.len())];
        let repaired = collect::planted(&self.examiner(), repairs).await?;
        examples.repairs(&repaired, self.settings.explain);
        let examples = examples.into_records();
        self.train_tokenizer(&examples)?;
        let summary = format!("{} examples, {written} of them written programs or proofs", examples.len());
        let detail = json!({ "examples": examples.len(), "written": written });
        let writes = StageWrites { examples, detail, ..StageWrites::default() };
        Ok(self.stages.finish(&stage, writes, summary)?)
    }

    /// Of what the base model learns from; and of what comments look like where it sees none.
    fn train_tokenizer(&self, examples: &[ExampleRecord]) -> Result<()> {
        let texts = examples.iter().flat_map(|one| [one.prompt.as_str(), one.completion.as_str()]);
        Ok(self.models.train_tokenizer(&texts.collect::<Vec<_>>())?)
    }

    /// Teaches the examples of a round, unless that was done.
    fn train(&self, round: u32, base: &Base, settings: &LearnSettings) -> Result<()> {
        Ok(self.models.train(&self.stages, (round, "debug-train"), base, settings)?)
    }

    /// Training tasks that a stage tries, by chance.
    fn chosen(&self, purpose: &str, iteration: u32, count: usize) -> Vec<&'a Task> {
        let all = &self.tasks.training;
        let chosen = chance::choose(self.settings.seed, purpose, iteration, all.len(), count);
        chosen.into_iter().map(|index| &all[index]).collect()
    }

    /// Trajectories, the supervised learning from them, and the evaluation behind it.
    async fn supervised(&self) -> Result<()> {
        if let Some(stage) = self.stages.begin(1, "collect", None)? {
            let tokenizer = self.models.tokenizer()?;
            let count_tokens = |text: &str| count(&tokenizer, text);
            let draw = self.draw("collect", 1, &count_tokens);
            let generator = self.models.generator(0)?;
            let (writer, teacher) = (self.talk(&generator), self.teacher(&generator));
            let tasks = self.chosen("debug-collect", 1, self.settings.collect.problems);
            let turns = collect::collect(&draw, &writer, &teacher, &tasks).await?;
            let repaired = collect::planted(&self.examiner(), &self.tasks.repairs).await?;
            let examples = self.examples(&turns, &repaired);
            let later = || turns.iter().skip(1).flatten();
            let (tried, mended) = (later().count(), later().filter(|one| one.is_accepted()).count());
            let first = turns.first().map_or(0, Vec::len);
            let right = turns.first().map_or(0, |one| one.iter().filter(|one| one.is_accepted()).count());
            let detail = json!({
                "first_tries": first, "right": right, "refinements": tried, "accepted": mended,
                "planted": repaired.len(), "examples": examples.len(),
            });
            let summary = format!(
                "{right} of {first} first tries right, {mended} of {tried} refinements accepted, {} planted bugs repaired; {} examples",
                repaired.len(),
                examples.len()
            );
            let records = numbered(turns.iter().flatten(), "collect", 1);
            let writes = StageWrites { examples, turns: records, detail, ..StageWrites::default() };
            self.stages.finish(&stage, writes, summary)?;
        }
        let base = Base::Folder(self.models.at(0)?);
        self.train(1, &base, &self.settings.sft.learn)?;
        self.evaluate(1).await
    }

    fn examples(&self, turns: &[Vec<Taken<'_>>], repaired: &[collect::Repaired<'_>]) -> Vec<ExampleRecord> {
        let mut examples = Examples::of_round(1);
        // LeDex learns to write as well, or the model would forget it: what was shown to the base model, and what it got right.
        self.tasks.training.iter().take(repaired.len() / 3 + 1_000).for_each(|task| examples.solution(task));
        examples.repairs(repaired, self.settings.explain);
        for (turn, taken) in turns.iter().enumerate() {
            match self.settings.sft.rise_tau {
                Some(tau) if turn > 0 => examples.weighted(taken, tau),
                Some(_) | None => taken.iter().for_each(|one| examples.accepted(one)),
            }
        }
        examples.into_records()
    }

    fn draw<'b>(
        &'b self,
        purpose: &'b str,
        iteration: u32,
        count_tokens: &'b dyn Fn(&str) -> u32,
    ) -> Draw<'b> {
        Draw { settings: self.settings, purpose, iteration, count_tokens }
    }

    /// Held-out problems, with the model of a round.
    async fn evaluate(&self, round: u32) -> Result<()> {
        let Some(samples) = NonZeroUsize::new(self.settings.evaluation.samples) else { return Ok(()) };
        let Some(stage) = self.stages.begin(round, "held-out", None)? else { return Ok(()) };
        let tokenizer = self.models.tokenizer()?;
        let count_tokens = |text: &str| count(&tokenizer, text);
        // The same draws with every model: what differs is the model.
        let draw = self.draw("held-out", 0, &count_tokens);
        let generator = self.models.generator(round)?;
        let talk = self.talk(&generator);
        let tasks: Vec<&Task> = self.tasks.held_out.iter().collect();
        let temperature = self.settings.evaluation.temperature;
        let first = draw.write(&talk, &tasks, samples, temperature).await?;
        let refined = self.refined(&draw, &talk, &first, draw.ask()).await?;
        let direct = match draw.ask() {
            Ask::Explain => self.refined(&draw, &talk, &first, Ask::Refine).await?,
            Ask::Write | Ask::Refine => Vec::new(),
        };
        let is_right = |taken: &[Taken<'_>]| taken.iter().filter(|one| one.is_accepted()).count();
        let (right, mended) = (is_right(&first), is_right(&refined));
        let detail = json!({
            "first_tries": first.len(), "right": right, "refinements": refined.len(), "mended": mended,
            "direct": direct.len(), "mended_directly": is_right(&direct),
        });
        let summary = format!("{right} of {} right at first, {mended} more after feedback", first.len());
        let mut turns = numbered(first.iter().chain(&refined), "held-out", round);
        turns.extend(numbered(direct.iter(), "held-out-direct", round));
        let writes = StageWrites { turns, detail, ..StageWrites::default() };
        Ok(self.stages.finish(&stage, writes, summary)?)
    }

    /// One refinement of each wrong try, and one of each that is wrong still, for so many turns as the settings say.
    async fn refined<'t>(
        &self,
        draw: &Draw<'_>,
        talk: &Talk<'_>,
        first: &[Taken<'t>],
        ask: Ask,
    ) -> Result<Vec<Taken<'t>>> {
        let temperature = self.settings.evaluation.temperature;
        let mut all: Vec<Taken<'t>> = Vec::new();
        let mut last = first.to_vec();
        for _turn in 0..self.settings.evaluation.turns {
            let wrong: Vec<&Taken<'t>> = last.iter().filter(|one| one.failure().is_some()).collect();
            let refined = draw.refine(talk, &wrong, (ask, NonZeroUsize::MIN, temperature)).await?;
            all.extend(refined.iter().cloned());
            last = refined;
        }
        Ok(all)
    }

    /// A round of the policy: samples, rewards, and what is learnt from them.
    async fn reinforce(&self, round: u32, rl: &RlSettings) -> Result<()> {
        let Some(stage) = self.stages.begin(round, "reinforce", None)? else { return Ok(()) };
        let tokenizer = self.models.tokenizer()?;
        let count_tokens = |text: &str| count(&tokenizer, text);
        let draw = self.draw("reinforce", round, &count_tokens);
        let generator = self.models.generator(round - 1)?;
        let talk = self.talk(&generator);
        let tasks = self.chosen("debug-reinforce", round, rl.problems);
        let first = draw.write(&talk, &tasks, rl.samples, rl.temperature).await?;
        let mut wrong = collect::different_wrong(&first, usize::MAX);
        wrong.truncate(rl.most_wrong);
        let refined = draw.refine(&talk, &wrong, (draw.ask(), rl.refinements, rl.temperature)).await?;
        let rewarded = reinforce::rewarded(&talk.examiner, rl, &tokenizer, &wrong, &refined).await?;
        drop(generator);
        let accepted = refined.iter().filter(|one| one.is_accepted()).count();
        let learnt = tokio::task::block_in_place(|| self.learn(round, rl, rewarded))?;
        let detail = json!({
            "refinements": refined.len(), "accepted": accepted, "trajectories": learnt.trajectories,
            "mean_reward": learnt.mean_reward, "steps": learnt.steps,
        });
        let summary = format!(
            "{accepted} of {} refinements accepted, mean reward {:.2}, {} steps",
            refined.len(),
            learnt.mean_reward,
            learnt.steps
        );
        let turns = numbered(first.iter().chain(&refined), "reinforce", round);
        self.stages.finish(&stage, StageWrites { turns, detail, ..StageWrites::default() }, summary)?;
        self.tidy(round)
    }

    /// Only the newest policy's checkpoint is gone on from, and only the models that are evaluated stay.
    fn tidy(&self, round: u32) -> Result<()> {
        learner::forget_steps(&self.models.round(round - 1))?;
        if round > 2 {
            learner::forget(&self.models.round(round - 1))?;
        }
        Ok(())
    }

    fn learn(&self, round: u32, rl: &RlSettings, rewarded: Vec<Rewarded>) -> Result<Practised> {
        let trajectories = rewarded.len();
        let reward = |one: &Rewarded| one.rewards.iter().map(|segment| segment.reward).sum::<f64>();
        let mean_reward =
            rewarded.iter().map(reward).sum::<f64>() / trajectories.max(1) as f64 / rl.reward_scale;
        let folder = self.models.round(round);
        if folder.join("model").is_dir() || rewarded.is_empty() {
            return Ok(Practised { trajectories, mean_reward, steps: self.policy_steps(round)? });
        }
        let model = self.models.decoder(round - 1)?;
        let trajectories_with = self.with_log_probs(rewarded, &model)?;
        let settings = self.policy_settings(rl, &trajectories_with);
        let one = const { NonZeroUsize::new(1).expect("not 0") };
        let checkpoints = Checkpoints::open(&folder, one)?;
        let there = checkpoints.latest_policy()?;
        let is_over = there.is_some();
        let before = if round > 2 {
            Checkpoints::open(&self.models.round(round - 1), one)?.latest_policy()?
        } else {
            None
        };
        let mut trainer = match there.as_ref().or(before.as_ref()) {
            Some(checkpoint) => PolicyTrainer::resume(model, settings, checkpoint)?,
            None => PolicyTrainer::new(model, settings)?,
        };
        // A checkpoint of this round outside of an update is its end.
        if !is_over || trainer.is_within_update() {
            let saving = Saving { checkpoints: &checkpoints, every: Some(SAVE_EVERY) };
            let cancel = &self.equipment.cancel;
            let finish = trainer.update(&trajectories_with, Some(saving), cancel, &mut |progress| {
                if let PolicyProgress::Step(report) = progress {
                    let loss = report.policy_loss;
                    self.stages.tell(Event::Trained { step: report.step, steps: report.step, loss });
                }
            })?;
            if finish == Finish::Cancelled {
                return Err(SelfPlayError::Interrupted.into());
            }
        }
        let steps = trainer.steps();
        learner::save_model(&Base::Folder(self.models.at(0)?), trainer.model(), None, &folder)?;
        Ok(Practised { trajectories, mean_reward, steps })
    }

    /// Steps of the policy up to a round.
    fn policy_steps(&self, round: u32) -> Result<u64> {
        let one = const { NonZeroUsize::new(1).expect("not 0") };
        for round in (2..=round).rev() {
            let latest = Checkpoints::open(&self.models.round(round), one)?.latest_policy()?;
            if let Some(latest) = latest {
                return Ok(latest.step());
            }
        }
        Ok(0)
    }

    /// What the policy and the supervised model think of what the policy wrote.
    fn with_log_probs(&self, rewarded: Vec<Rewarded>, policy: &Decoder) -> Result<Vec<Trajectory>> {
        let reference = self.models.decoder(1)?;
        let texts: Vec<Actions<'_>> =
            rewarded.iter().map(|one| Actions { tokens: &one.tokens, turns: &one.turns }).collect();
        let options = LogProbOptions {
            micro_batch_tokens: part_tokens(texts.iter().map(|text| text.tokens.len() as u64).sum()),
            replicas: self.equipment.compute.threads,
        };
        let of = |model: &Decoder| -> Result<Vec<Vec<f32>>> {
            let found = log_probs(model, &texts, options, &self.equipment.cancel)?;
            found.ok_or_else(|| SelfPlayError::Interrupted.into())
        };
        let (old, reference) = (of(policy)?, of(&reference)?);
        drop(texts);
        let both = rewarded.into_iter().zip(old.into_iter().zip(reference));
        Ok(both.map(|(one, (old, reference))| one.with_log_probs(old, Some(reference))).collect())
    }

    fn policy_settings(&self, rl: &RlSettings, trajectories: &[Trajectory]) -> PolicySettings {
        let tokens: u64 = trajectories.iter().map(|one| one.tokens.len() as u64).sum();
        let in_step = tokens * rl.minibatch.get() as u64 / trajectories.len().max(1) as u64;
        let algorithm = match rl.algorithm {
            RlAlgorithm::Ppo => Algorithm::Ppo(Ppo { gamma: rl.gamma, clip: rl.clip, ..Ppo::default() }),
            RlAlgorithm::LeaveOneOut => {
                Algorithm::LeaveOneOut(LeaveOneOut { clip: rl.clip, ..LeaveOneOut::default() })
            }
        };
        PolicySettings {
            seed: chance::seed(self.settings.seed, "debug-policy", 0, 0),
            algorithm,
            epochs: rl.epochs,
            minibatch: rl.minibatch,
            micro_batch_tokens: part_tokens(in_step),
            replicas: self.equipment.compute.threads,
            recompute_layers: false,
            kl_coefficient: rl.kl_coefficient,
            entropy_coefficient: 0.0,
            optimizer: AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() },
            schedule: Schedule { learning_rate: rl.learning_rate, warmup_steps: 0, decay: Decay::Constant },
            max_gradient_norm: Some(1.0),
        }
    }
}

/// What a round of the policy came to.
struct Practised {
    trajectories: usize,
    mean_reward: f64,
    steps: u64,
}

fn numbered<'t>(taken: impl Iterator<Item = &'t Taken<'t>>, stage: &str, iteration: u32) -> Vec<NewTurn> {
    taken.map(|one| one.record(stage, iteration)).collect()
}

/// How many tokens a prompt has; 0 where it can't be told.
fn count(tokenizer: &Tokenizer, text: &str) -> u32 {
    tokenizer.encode(text, true).map_or(0, |tokens| u32::try_from(tokens.len()).unwrap_or(u32::MAX))
}
