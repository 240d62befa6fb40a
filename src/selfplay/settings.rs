//! Every rule of a run as a named setting; the presets; and what an ablation switches off.

use super::error::{Result, SelfPlayError};
use super::learner::LearnSettings;
use super::problems::ProblemSettings;
use super::prompts::PromptStyle;
use super::prover::{Prompts, Prover};
use super::screening::ScreeningSettings;
use super::select::conjectures::{ConjectureSettings, Elegance, LemmaUse};
use super::select::proofs::ProofSettings;
use super::select::seeds::{GenerationSettings, SeedSettings};
use super::select::targets::TargetSettings;
use super::select::transport::TransportSettings;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// A run, resolved: what `run.toml` holds. Two runs with equal settings and problems are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What it was made from, for people.
    pub preset: String,
    /// Rules that were switched off, for people.
    pub ablated: Vec<Ablation>,
    /// All chance follows from it.
    pub seed: u64,
    /// Rounds of conjecturing, proving and learning.
    pub iterations: u32,
    /// Whose statements and proofs they are, and who judges them.
    #[serde(default)]
    pub prover: Prover,
    /// How the model is asked.
    pub prompts: PromptStyle,
    /// Which problems are what.
    pub problems: ProblemSettings,
    /// The model that the first round has.
    pub initial: Initial,
    /// How samples are drawn.
    pub sampling: SamplingSettings,
    /// Conjectures; without them only problems are proved.
    pub conjecturing: Option<ConjecturingSettings>,
    /// What is attempted in a round.
    pub targets: TargetSettings,
    /// Samples in all in each round, shared by what is attempted, instead of so many for each: how methods are compared at
    /// the same number of candidates. The last holds for all rounds behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub round_budgets: Vec<u32>,
    /// What a round learns; without it the model stays what it was (parallel sampling).
    pub learning: Option<RoundSettings>,
    /// What is learnt anew from the base at the end, and at every refresh.
    pub retraining: Option<RetrainSettings>,
    /// The held-out evaluation before and after.
    pub evaluation: EvaluationSettings,
}

/// The model that the first round has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initial {
    /// A Hugging Face folder; random weights of the nano shape and a tokenizer of its own if `None`.
    pub model: Option<std::path::PathBuf>,
    /// How the shown proofs are learnt before the first round; not at all if `None`.
    pub sft: Option<SftSettings>,
}

/// Supervised fine-tuning on the shown proofs (`../shared/reference/stp.md` §1.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftSettings {
    /// How.
    pub learn: LearnSettings,
    /// A conjecturer example is an earlier problem with a lemma of its proof, and a later one whose proof names that lemma
    /// too; of those without such a partner, so many earlier ones of the same subject stand with the trivial lemma.
    pub trivial_pairs: usize,
    /// Besides, every training problem, proved or not, stands with the trivial lemma behind so many others that are most like
    /// it: a small model learns to keep most of a statement and to change a part of it.
    pub nearest_pairs: usize,
}

/// How samples are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingSettings {
    /// Proofs of each statement in the first round.
    pub first_round: NonZeroUsize,
    /// And in later ones.
    pub samples: NonZeroUsize,
    /// Of the prover.
    pub temperature: f64,
    /// Of the conjecturer.
    pub conjecture_temperature: f64,
    /// The longest proof.
    pub max_proof_tokens: NonZeroUsize,
    /// Whether a proof that is more than one plain declaration is rejected without asking Lean: such a candidate can't share a
    /// process with others, and what models write there is mostly the beginning of something else.
    pub plain_proofs_only: bool,
    /// The longest conjecture.
    pub max_conjecture_tokens: NonZeroUsize,
}

/// Everything about conjectures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConjecturingSettings {
    /// What they are made from (step A).
    pub seeds: SeedSettings,
    /// Whether the conjecturer is given lemmas of the seed's proof; else only the trivial one.
    pub lemmas: bool,
    /// Whether shown proofs are seeds, besides those that were found.
    pub shown_proofs_are_seeds: bool,
    /// How many are drawn (step A).
    pub generation: GenerationSettings,
    /// What they must pass before they are proved.
    pub screening: ScreeningSettings,
    /// Which of them the conjecturer learns from (step H 1-4).
    pub select: ConjectureSettings,
    /// Their weights (step H 5); all the same without.
    pub transport: Option<TransportSettings>,
}

/// What a round learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundSettings {
    /// What it begins with.
    pub from: From,
    /// How.
    pub learn: LearnSettings,
    /// Which proofs (step I).
    pub proofs: ProofSettings,
    /// Whether the examples of the initial training are learnt again with them.
    pub replay_sft: bool,
}

/// What a round begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// The weights of the round before.
    Previous,
    /// Those of the model before any round.
    Initial,
}

/// What is learnt anew, from the model before the initial training, at the end and at refreshes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrainSettings {
    /// How.
    pub learn: LearnSettings,
    /// Which proofs (`../shared/reference/stp.md` §1.4), beside the examples of the initial training.
    pub proofs: ProofSettings,
    /// Whether it is done at the end.
    pub at_the_end: bool,
    /// It is also done instead of learning after each so many rounds, and the proofs before are not learnt from again.
    pub refresh_every: Option<u32>,
}

/// The held-out evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Proofs of each held-out problem; 0 is no evaluation.
    pub samples: usize,
    /// The k of pass@k that are reported.
    pub ks: Vec<u32>,
}

/// A rule, switched off alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Ablation {
    /// Conjectures with short proofs stay
    Elegance,
    /// Conjectures weigh the same
    Transport,
    /// Conjectures that are proved often are learnt from, too
    PassRateWindow,
    /// A conjecture's proof need not use its lemma
    LemmaUse,
    /// The conjecturer is given no lemmas
    Lemmas,
    /// Every conjecture that is well-typed and not there by the letter is proved, trivial or not
    Screening,
    /// Proofs of statements that are proved often are learnt from, too
    HardProofs,
    /// Long proofs weigh as much as short ones
    LengthWeight,
    /// Proofs of many rounds are learnt from
    Buffer,
    /// The initial examples are not learnt again
    Replay,
    /// Nothing is learnt anew at the end or at a refresh
    Retraining,
    /// The conjecturer does not learn; it stays what the initial training made it
    ConjecturerLearning,
}

/// Methods that every Isabelle has, for screening: what these prove is no problem, and what contradicts itself is none.
const ISABELLE_CHEAP: [&str; 3] = ["rule refl", "rule TrueI", "assumption"];
const ISABELLE_CONTRADICTION: [&str; 3] = ["simp", "auto", "arith"];

impl Settings {
    /// How the model is asked about the run's prover.
    #[must_use]
    pub fn asking(&self) -> Prompts {
        Prompts { style: self.prompts, prover: self.prover }
    }

    /// The same rules for Isabelle, where they are for Lean: what was said in Lean's language is said in Isabelle's.
    #[must_use]
    pub fn for_isabelle(mut self) -> Self {
        if self.prover == Prover::Isabelle {
            return self;
        }
        self.prover = Prover::Isabelle;
        // Isabelle has no limit on steps: the time limit of a theory is what ends a proof.
        self.problems.header = String::new();
        if let Some(conjecturing) = &mut self.conjecturing {
            let rules = &mut conjecturing.screening;
            let methods = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
            // A rule that is switched off stays so.
            if !rules.cheap_tactics.is_empty() {
                rules.cheap_tactics = methods(&ISABELLE_CHEAP);
            }
            if !rules.contradiction_tactics.is_empty() {
                rules.contradiction_tactics = methods(&ISABELLE_CONTRADICTION);
            }
        }
        self
    }

    /// Switches a rule off.
    pub fn ablate(&mut self, ablation: Ablation) {
        if let Some(conjecturing) = &mut self.conjecturing {
            conjecturing.ablate(ablation);
        }
        if let Some(learning) = &mut self.learning {
            let proofs = &mut learning.proofs;
            match ablation {
                Ablation::HardProofs => {
                    proofs.dataset_pass_rate = None;
                    proofs.conjecture_pass_rate = None;
                }
                Ablation::LengthWeight => {
                    proofs.length_rate = 0.0;
                    proofs.time_rate = 0.0;
                }
                Ablation::Buffer => proofs.rounds = None,
                Ablation::Replay => learning.replay_sft = false,
                Ablation::Elegance
                | Ablation::Transport
                | Ablation::PassRateWindow
                | Ablation::LemmaUse
                | Ablation::Lemmas
                | Ablation::Screening
                | Ablation::Retraining
                | Ablation::ConjecturerLearning => {}
            }
        }
        if ablation == Ablation::Retraining {
            self.retraining = None;
        }
        self.ablated.push(ablation);
        self.ablated.sort_unstable();
        self.ablated.dedup();
    }

    /// Whether the conjecturer learns.
    #[must_use]
    pub fn conjecturer_learns(&self) -> bool {
        self.conjecturing.is_some() && !self.ablated.contains(&Ablation::ConjecturerLearning)
    }

    /// # Errors
    /// A setting is out of its range, or does not fit another.
    pub fn check(&self) -> Result<()> {
        self.problems.check()?;
        self.targets.check()?;
        if let Some(conjecturing) = &self.conjecturing {
            conjecturing.seeds.check()?;
            conjecturing.select.check()?;
            conjecturing.transport.as_ref().map_or(Ok(()), TransportSettings::check)?;
        }
        for proofs in
            [self.learning.as_ref().map(|one| &one.proofs), self.retraining.as_ref().map(|one| &one.proofs)]
        {
            proofs.map_or(Ok(()), ProofSettings::check)?;
        }
        if self.initial.model.is_none() && self.initial.sft.is_none() {
            let problem = "random weights that learn nothing at first prove nothing: give a model, or the initial training";
            return Err(SelfPlayError::setting("initial", problem));
        }
        if self.evaluation.ks.iter().any(|&k| k == 0 || k as usize > self.evaluation.samples)
            && self.evaluation.samples > 0
        {
            let problem =
                format!("each must be from 1 to the {} samples of a problem", self.evaluation.samples);
            return Err(SelfPlayError::setting("evaluation.ks", problem));
        }
        Ok(())
    }
}

impl ConjecturingSettings {
    fn ablate(&mut self, ablation: Ablation) {
        match ablation {
            Ablation::Elegance => self.select.elegance = Elegance::Off,
            Ablation::Transport => self.transport = None,
            Ablation::PassRateWindow => self.select.pass_rate = None,
            Ablation::LemmaUse => self.select.lemma_use = LemmaUse::Off,
            Ablation::Lemmas => {
                self.lemmas = false;
                self.seeds.max_lemma_share = None;
                self.seeds.trivial_lemma_probability = 1.0;
            }
            Ablation::Screening => {
                self.screening.up_to_renaming = false;
                self.screening.cheap_tactics.clear();
                self.screening.contradiction_tactics.clear();
            }
            Ablation::HardProofs
            | Ablation::LengthWeight
            | Ablation::Buffer
            | Ablation::Replay
            | Ablation::Retraining
            | Ablation::ConjecturerLearning => {}
        }
    }
}
