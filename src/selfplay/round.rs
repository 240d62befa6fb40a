//! The first half of a round: conjectures are made and screened while problems are proved, then they are proved, too.

use super::busy::Meter;
use super::chance;
use super::error::Result;
use super::event::Event;
use super::prompts::{Role, Seed};
use super::prover::Prover;
use super::rollout::{Job, Rollouts};
use super::run::Run;
use super::screening::{self, Outcome, Raw, ScreeningCounts};
use super::select::seeds::{self, ConjectureInput, SeedCounts, SeedProof};
use super::select::targets::{self, DatasetStatement};
use super::settings::ConjecturingSettings;
use super::stage::Stage;
use crate::generate::{CandleGenerator, Request, Sampling};
use proofloop_datasets::Split;
use proofloop_datasets::store::{
    ConjectureRecord, Lineage, Origin, Proof, StageWrites, Statement, StatementId,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Instant;

/// Proofs of a statement that may be seeds: the shortest of each lemma come first.
const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// The statements of a run, and how well they went before a round.
pub(super) struct Standing {
    pub(super) prover: Prover,
    /// Training problems.
    pub(super) problems: Vec<Statement>,
    /// Best pass rate of every statement that was attempted.
    pub(super) best_rates: BTreeMap<StatementId, f64>,
    /// Distinct proofs that were found, by statement.
    pub(super) proofs: BTreeMap<StatementId, Vec<Proof>>,
}

impl Standing {
    /// A training problem without a proof, shown or found.
    pub(super) fn is_unproved(&self, statement: &Statement) -> bool {
        statement.known.is_none() && !self.proofs.contains_key(&statement.id)
    }

    /// The shown proof, then those that were found, by length and text.
    pub(super) fn proofs_of<'a>(&'a self, statement: &'a Statement) -> Vec<&'a str> {
        let found = self.proofs.get(&statement.id).into_iter().flatten();
        let mut texts: Vec<&str> = found.map(|proof| proof.completion.as_str()).collect();
        texts.sort_by_key(|text| (text.chars().count(), *text));
        let shown = statement.known.as_deref();
        shown.into_iter().chain(texts).collect()
    }

    /// The proof that stands in the prompt beside a lemma: the first that names it, else the first.
    pub(super) fn proof_with<'a>(&'a self, statement: &'a Statement, lemma: &str) -> Option<&'a str> {
        let proofs = self.proofs_of(statement);
        let names = |proof: &&&str| self.prover.lemmas(proof).iter().any(|name| name == lemma);
        proofs.iter().find(names).or_else(|| proofs.first()).copied()
    }
}

impl Run<'_> {
    /// What was known before a round.
    pub(super) fn standing(&self, round: u32) -> Result<Standing> {
        let store = self.stages.store();
        let before = 0..=round.saturating_sub(1);
        let mut problems = store.statements(Some(Origin::Problem))?;
        problems.retain(|statement| statement.split == Some(Split::Train));
        let mut best_rates: BTreeMap<StatementId, f64> = BTreeMap::new();
        for rate in store.pass_rates("prove", before.clone())? {
            let best = best_rates.entry(rate.statement).or_default();
            *best = best.max(rate.rate());
        }
        let mut proofs: BTreeMap<StatementId, Vec<Proof>> = BTreeMap::new();
        for proof in store.proofs("prove", before)? {
            proofs.entry(proof.statement).or_default().push(proof);
        }
        Ok(Standing { prover: self.settings.prover, problems, best_rates, proofs })
    }

    pub(super) fn prover_sampling(&self) -> Sampling {
        self.sampling(Role::Prover)
    }

    /// Conjectures and proofs of a round.
    pub(super) async fn attempt(&self, iteration: u32) -> Result<()> {
        let standing = self.standing(iteration)?;
        let began = Instant::now();
        let (generating, judging) = (Meter::default(), Meter::default());
        let generator = self.models.generator(iteration - 1)?;
        let problems = self.problem_jobs(iteration, &standing)?;
        let total = problems.iter().map(|job| job.samples.get() as u64).sum();
        let drawn = match &self.settings.conjecturing {
            Some(conjecturing) => {
                self.draw(iteration, conjecturing, &standing, &generator, (&generating, &judging)).await?
            }
            None => None,
        };
        let Some(stage) = self.stages.begin(iteration, "prove", Some(total))? else {
            // Only where an earlier process ended between the two, which it can't: screening is told first.
            return match drawn {
                Some(drawn) => self.screen(iteration, drawn, &judging).await,
                None => Ok(()),
            };
        };
        let sampling = self.prover_sampling();
        let sampler = self.sampler(&generator, &generating, &judging);
        let screening = async {
            match drawn {
                Some(drawn) => self.screen(iteration, drawn, &judging).await,
                None => Ok(()),
            }
        };
        let (mut rollouts, ()) = tokio::try_join!(sampler.prove(&problems, &sampling), screening)?;
        let conjectures = self.conjecture_jobs(iteration, &standing)?;
        if !conjectures.is_empty() {
            rollouts.extend(sampler.prove(&conjectures, &sampling).await?);
        }
        let busy = |meter: &Meter| meter.busy().as_secs_f64() / began.elapsed().as_secs_f64().max(1e-9);
        let busy = (busy(&generating), busy(&judging));
        self.finish_attempt(&stage, iteration, &rollouts, (problems.len(), conjectures.len()), busy)
    }

    fn finish_attempt(
        &self,
        stage: &Stage<'_>,
        iteration: u32,
        rollouts: &Rollouts,
        (problems, conjectures): (usize, usize),
        (generator, farm): (f64, f64),
    ) -> Result<()> {
        let samples = rollouts.samples(&self.judge, "prove", iteration)?;
        let (drawn, distinct) = (samples.len(), rollouts.candidates.len());
        let detail = json!({
            "problems": problems,
            "conjectures": conjectures,
            "samples": drawn,
            "distinct": distinct,
            "verdicts": rollouts.verdicts(),
            "tokens": rollouts.tokens,
            "busy": { "generator": generator, "farm": farm },
            "verify_cpu_s": rollouts.verify_cpu_s(),
        });
        let accepted = rollouts.candidates.iter().filter(|(_, known)| known.is_accepted()).count();
        let summary = format!("{drawn} samples, {distinct} different, {accepted} of these proofs");
        self.stages.finish(stage, StageWrites { samples, detail, ..StageWrites::default() }, summary)?;
        let (total, of) = self.solved(iteration)?;
        self.stages.tell(Event::Solved { total, of });
        Ok(())
    }

    /// Samples for each of so many targets; more for the first ones where a budget does not divide.
    fn samples(&self, iteration: u32, targets: usize) -> impl Fn(usize) -> Option<NonZeroUsize> + use<> {
        let sampling = &self.settings.sampling;
        let each = if iteration == 1 { sampling.first_round } else { sampling.samples };
        let budgets = &self.settings.round_budgets;
        let budget = budgets.get(iteration as usize - 1).or(budgets.last()).map(|&budget| budget as usize);
        move |place| match budget {
            None => Some(each),
            Some(budget) => {
                NonZeroUsize::new(budget / targets.max(1) + usize::from(place < budget % targets.max(1)))
            }
        }
    }

    fn dataset(&self, standing: &Standing) -> Vec<DatasetStatement> {
        let rate = |statement: &Statement| {
            // A statement whose proof was shown is proved, and as well as one can be, until sampling says otherwise.
            match standing.best_rates.get(&statement.id) {
                None if statement.known.is_some() => 1.0,
                Some(best) if statement.known.is_some() => best.max(f64::MIN_POSITIVE),
                Some(best) => *best,
                None => 0.0,
            }
        };
        standing
            .problems
            .iter()
            .map(|one| DatasetStatement { statement: one.id, best_pass_rate: rate(one) })
            .collect()
    }

    fn target_seed(&self, iteration: u32) -> u64 {
        chance::seed(self.settings.seed, "targets", iteration, 0)
    }

    /// The problems of a round: no conjecture changes which.
    fn problem_jobs(&self, iteration: u32, standing: &Standing) -> Result<Vec<Job>> {
        let (ids, _) = targets::targets(
            &self.dataset(standing),
            &[],
            &self.settings.targets,
            self.target_seed(iteration),
        );
        let by_id: BTreeMap<StatementId, &Statement> =
            standing.problems.iter().map(|statement| (statement.id, statement)).collect();
        Ok(self.jobs(iteration, ids.iter().filter_map(|id| by_id.get(id).copied())))
    }

    /// The conjectures of a round that are new and within the limit.
    fn conjecture_jobs(&self, iteration: u32, standing: &Standing) -> Result<Vec<Job>> {
        let statements = self.stages.store().statements(Some(Origin::Conjecture))?;
        let is_new =
            |one: &&Statement| one.lineage.as_ref().is_some_and(|lineage| lineage.iteration == iteration);
        let new: BTreeMap<StatementId, &Statement> =
            statements.iter().filter(is_new).map(|statement| (statement.id, statement)).collect();
        let ids: Vec<StatementId> = new.keys().copied().collect();
        let (chosen, _) = targets::targets(
            &self.dataset(standing),
            &ids,
            &self.settings.targets,
            self.target_seed(iteration),
        );
        Ok(self.jobs(iteration, chosen.iter().filter_map(|id| new.get(id).copied())))
    }

    fn jobs<'s>(&self, iteration: u32, statements: impl Iterator<Item = &'s Statement>) -> Vec<Job> {
        let statements: Vec<&Statement> = statements.collect();
        let samples = self.samples(iteration, statements.len());
        let seed = |id| chance::seed(self.settings.seed, "prove", iteration, id);
        let job = |(place, one): (usize, &&Statement)| Some(self.job(one, samples(place)?, seed(one.id)));
        statements.iter().enumerate().filter_map(job).collect()
    }
}

/// What the conjecturer said in a round, before screening.
pub(super) struct Drawn<'a> {
    stage: Stage<'a>,
    raw: Vec<Raw>,
    levels: BTreeMap<StatementId, u32>,
    seeds: SeedCounts,
    rules: &'a ConjecturingSettings,
}

impl Run<'_> {
    /// Draws the conjectures of a round; nothing if they are in the store.
    async fn draw<'b>(
        &'b self,
        iteration: u32,
        rules: &'b ConjecturingSettings,
        standing: &Standing,
        generator: &CandleGenerator,
        (generating, judging): (&Meter, &Meter),
    ) -> Result<Option<Drawn<'b>>> {
        let Some(stage) = self.stages.begin(iteration, "conjecture", None)? else { return Ok(None) };
        let conjectures = self.stages.store().statements(Some(Origin::Conjecture))?;
        let all: BTreeMap<StatementId, &Statement> =
            standing.problems.iter().chain(&conjectures).map(|statement| (statement.id, statement)).collect();
        let seed = chance::seed(self.settings.seed, "seeds", iteration, 0);
        let proofs = seed_proofs(standing, &all, rules);
        let (inputs, counts) = seeds::conjecture_inputs(&proofs, standing.problems.len(), &rules.seeds, seed);
        let total = rules.generation.conjectures(inputs.len(), standing.problems.len());
        let requests = self.conjecture_requests(iteration, standing, &all, &inputs, total);
        let answers = if requests.is_empty() {
            Vec::new()
        } else {
            self.sampler(generator, generating, judging).complete(requests).await?
        };
        let mut raw = Vec::new();
        for (input, answers) in inputs.iter().zip(answers) {
            let header = all.get(&input.statement).map_or("", |one| one.header.as_str());
            for answer in answers {
                let text = self.settings.asking().read_conjecture(&answer.text).map_err(|_why| answer.text);
                let (lemma, header) = (input.lemma.clone(), header.to_owned());
                raw.push(Raw { seed: input.statement, lemma, header, text });
            }
        }
        let level = |one: &Statement| one.lineage.as_ref().map_or(0, |lineage| lineage.level);
        let levels = all.values().map(|one| (one.id, level(one))).collect();
        Ok(Some(Drawn { stage, raw, levels, seeds: counts, rules }))
    }

    fn conjecture_requests(
        &self,
        iteration: u32,
        standing: &Standing,
        all: &BTreeMap<StatementId, &Statement>,
        inputs: &[ConjectureInput],
        total: usize,
    ) -> Vec<Request> {
        let sampling = self.sampling(Role::Conjecturer);
        let each = NonZeroUsize::new(total / inputs.len().max(1)).unwrap_or(ONE);
        let request = |(place, input): (usize, &ConjectureInput)| Request {
            prompt: all
                .get(&input.statement)
                .map_or_else(String::new, |one| self.conjecture_prompt(standing, one, &input.lemma)),
            samples: each,
            seed: chance::seed(self.settings.seed, "conjecture", iteration, place as i64),
            sampling: sampling.clone(),
            stream: false,
        };
        inputs.iter().enumerate().map(request).collect()
    }

    /// What the conjecturer sees, when it is asked and when it is taught.
    pub(super) fn conjecture_prompt(&self, standing: &Standing, seed: &Statement, lemma: &str) -> String {
        let proof = standing.proof_with(seed, lemma).unwrap_or_default();
        let text = standing.problems.iter().find(|one| one.name == lemma).map(|one| one.text.as_str());
        self.settings.asking().conjecturer(&Seed {
            header: &seed.header,
            lemma: text.map_or(lemma, |text| self.settings.prover.without_assignment(text)),
            statement: &seed.text,
            proof,
        })
    }

    /// Screens what was drawn, and finishes the stage.
    async fn screen(&self, iteration: u32, drawn: Drawn<'_>, judging: &Meter) -> Result<()> {
        let Drawn { stage, raw, levels, seeds, rules } = drawn;
        let prover = self.settings.prover;
        let statements = self.stages.store().statements(None)?;
        let known: BTreeSet<[u8; 32]> = statements.iter().map(|one| one.key).collect();
        let outcomes = screening::by_text(&raw, &known, prover, &rules.screening);
        let outcomes =
            screening::by_prover(&raw, outcomes, (prover, &rules.screening), &self.judge, judging).await?;
        let counts = ScreeningCounts::of(&outcomes);
        let mut next = self.stages.store().next_statement_id()?;
        let mut writes = StageWrites::default();
        for (ordinal, (raw, outcome)) in (0..).zip(raw.iter().zip(&outcomes)) {
            let id = (*outcome == Outcome::New).then_some(next);
            if let (Some(id), Ok(text)) = (id, &raw.text) {
                next += 1;
                let level = levels.get(&raw.seed).copied().unwrap_or(0) + 1;
                writes.statements.push(conjecture(id, raw, text, (prover, iteration, level)));
            }
            let (Ok(text) | Err(text)) = &raw.text;
            writes.conjectures.push(ConjectureRecord {
                iteration,
                ordinal,
                seed: raw.seed,
                lemma: raw.lemma.clone(),
                text: text.clone(),
                outcome: outcome.name().to_owned(),
                statement: id,
            });
        }
        self.stages.tell(Event::Conjectures { kept: counts.new as u64, of: counts.generated as u64 });
        writes.detail = json!({ "screening": counts, "seeds": seeds });
        let summary = format!("{} of {} conjectures are worth proving", counts.new, counts.generated);
        self.stages.finish(&stage, writes, summary)
    }
}

fn conjecture(
    id: StatementId,
    raw: &Raw,
    text: &str,
    (prover, iteration, level): (Prover, u32, u32),
) -> Statement {
    let name = text.split_whitespace().nth(1).unwrap_or_default().trim_end_matches(':').to_owned();
    Statement {
        id,
        key: prover.key(&raw.header, text),
        name,
        header: raw.header.clone(),
        text: text.to_owned(),
        origin: Origin::Conjecture,
        split: None,
        known: None,
        lineage: Some(Lineage { iteration, seed: raw.seed, lemma: raw.lemma.clone(), level }),
    }
}

/// The proofs that may be seeds. Of several of a statement that name the same lemma only the first is offered with it, so that
/// statement and lemma say which prompt it was.
fn seed_proofs(
    standing: &Standing,
    all: &BTreeMap<StatementId, &Statement>,
    rules: &ConjecturingSettings,
) -> Vec<SeedProof> {
    let mut seeds = Vec::new();
    for statement in all.values() {
        let level = statement.lineage.as_ref().map_or(0, |lineage| lineage.level);
        let is_shown = statement.known.is_some() && rules.shown_proofs_are_seeds;
        let found = standing.best_rates.get(&statement.id).copied().unwrap_or(0.0);
        if !(is_shown || standing.proofs.contains_key(&statement.id)) {
            continue;
        }
        let mut named = BTreeSet::new();
        for (proof, text) in standing.proofs_of(statement).into_iter().enumerate() {
            let mut lemmas = if rules.lemmas { standing.prover.lemmas(text) } else { Vec::new() };
            lemmas.retain(|lemma| named.insert(lemma.clone()));
            if proof == 0 || !lemmas.is_empty() {
                let best_pass_rate = if is_shown { 1.0 } else { found };
                seeds.push(SeedProof { statement: statement.id, proof, best_pass_rate, level, lemmas });
            }
        }
    }
    seeds
}
