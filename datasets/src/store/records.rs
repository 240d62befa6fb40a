//! What a run store holds.

use crate::problem::Split;

/// Number of a statement: dense from 1, in an order that follows from the run's seed alone.
pub type StatementId = i64;

/// Number of a candidate: its order of arrival, which must never reach a result or a dump.
pub type CandidateId = i64;

/// Where a statement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A data set.
    Problem,
    /// The run itself.
    Conjecture,
}

impl Origin {
    /// The stable name, which is also the text in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Conjecture => "conjecture",
        }
    }

    /// The origin of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "problem" => Some(Self::Problem),
            "conjecture" => Some(Self::Conjecture),
            _ => None,
        }
    }
}

/// How a conjecture came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The iteration that made it.
    pub iteration: u32,
    /// The statement whose proof was shown.
    pub seed: StatementId,
    /// The lemma that was shown with it; empty for the trivial one.
    pub lemma: String,
    /// How many conjectures lie between it and a problem, itself included: at least 1.
    pub level: u32,
}

/// Something to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its number.
    pub id: StatementId,
    /// What makes two statements the same: the hash of the canonical form, header included.
    pub key: [u8; 32],
    /// The name under which it is shown.
    pub name: String,
    /// Imports, options, `open`s and definitions before the statement.
    pub header: String,
    /// The statement, which ends in `:= by`.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The part of its data set; `None` for a conjecture.
    pub split: Option<Split>,
    /// A published proof that the run may use.
    pub known: Option<String>,
    /// How it came to be; `None` for a problem.
    pub lineage: Option<Lineage>,
}

/// What is judged: three texts that stand one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateText<'a> {
    /// What comes first.
    pub header: &'a str,
    /// The statement.
    pub statement: &'a str,
    /// What was sampled behind it.
    pub completion: &'a str,
}

/// A verdict, by the stable names of `proofloop verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRecord {
    /// `accepted`, `rejected`, `timeout`, …
    pub verdict: String,
    /// The class of a rejection, or the words of a failure.
    pub reason: Option<String>,
    /// How far an accepted candidate was checked.
    pub assurance: Option<String>,
    /// The first error, shortened.
    pub message: Option<String>,
    /// Time that passed, in milliseconds.
    pub wall_ms: u64,
    /// Processor time, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory that was held, in bytes.
    pub peak_memory_bytes: u64,
}

impl VerdictRecord {
    /// Whether the candidate was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.verdict == ACCEPTED
    }
}

/// The name of the verdict that counts as a proof.
pub(super) const ACCEPTED: &str = "accepted";

/// One sample: a candidate, and where it was drawn. Several samples may be the same candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The stage that drew it: `prove`, `before`, `after`, …
    pub stage: String,
    /// The iteration that drew it.
    pub iteration: u32,
    /// For which statement.
    pub statement: StatementId,
    /// The how manyth of its statement in this stage, from 0.
    pub sample: u32,
    /// What came out.
    pub candidate: CandidateId,
    /// Length of the completion in tokens.
    pub tokens: u32,
    /// Why it ended: `stop`, `length`, …
    pub finish: String,
}

/// What became of one output of the conjecturer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConjectureRecord {
    /// The iteration that drew it.
    pub iteration: u32,
    /// The how manyth of its iteration.
    pub ordinal: u32,
    /// The statement whose proof was shown.
    pub seed: StatementId,
    /// The lemma that was shown; empty for the trivial one.
    pub lemma: String,
    /// The statement as parsed, or the output as it came if it did not parse.
    pub text: String,
    /// `new`, `unparsable`, `duplicate`, `ill-typed`, `trivial`, `contradictory`, `unjudged`, `over-limit`, …
    pub outcome: String,
    /// The statement that it is, if it is one.
    pub statement: Option<StatementId>,
}

/// One text that a model was taught.
#[derive(Debug, Clone, PartialEq)]
pub struct ExampleRecord {
    /// The iteration that selected it.
    pub iteration: u32,
    /// The how manyth of its iteration.
    pub ordinal: u32,
    /// `prover` or `conjecturer`.
    pub role: String,
    /// The statement that it is about.
    pub statement: StatementId,
    /// What the model reads.
    pub prompt: String,
    /// What it learns to say.
    pub completion: String,
    /// How much it counts: a finite number.
    pub weight: f64,
}

/// Which stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageKey<'a> {
    /// The iteration, from 0.
    pub iteration: u32,
    /// The stage in it.
    pub stage: &'a str,
}

/// What a stage has made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageWrites {
    /// New statements.
    pub statements: Vec<Statement>,
    /// What the conjecturer said.
    pub conjectures: Vec<ConjectureRecord>,
    /// What was sampled.
    pub samples: Vec<Sample>,
    /// Turns of trajectories.
    pub turns: Vec<super::NewTurn>,
    /// What is to be learnt.
    pub examples: Vec<ExampleRecord>,
    /// How long the stage took, in milliseconds.
    pub wall_ms: u64,
    /// What else there is to tell, as a JSON object. In a dump, members whose names say that they are times or memory
    /// are left out (see [`RunStore::dump`](super::RunStore::dump)).
    pub detail: serde_json::Value,
}

/// A stage that is finished.
#[derive(Debug, Clone, PartialEq)]
pub struct StageRecord {
    /// The iteration.
    pub iteration: u32,
    /// The stage in it.
    pub stage: String,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// As in [`StageWrites::detail`].
    pub detail: serde_json::Value,
}

/// How often a statement was proved in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassRate {
    /// The statement.
    pub statement: StatementId,
    /// The iteration.
    pub iteration: u32,
    /// How many samples were drawn: at least 1.
    pub samples: u32,
    /// How many of them were accepted.
    pub accepted: u32,
}

impl PassRate {
    /// Accepted samples for each sample, from 0 to 1.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.accepted) / f64::from(self.samples)
    }
}

/// An accepted proof, however often it was sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The statement.
    pub statement: StatementId,
    /// The proof.
    pub completion: String,
    /// The first iteration that found it, of those asked for.
    pub iteration: u32,
    /// How many samples in the iterations asked for were this one.
    pub multiplicity: u32,
    /// Processor time of its check, in milliseconds.
    pub cpu_ms: u64,
    /// Time that its check took, in milliseconds.
    pub wall_ms: u64,
}

/// A sample with what was sampled and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledCandidate {
    /// The statement.
    pub statement: StatementId,
    /// The how manyth of its statement, from 0.
    pub sample: u32,
    /// What was sampled.
    pub completion: String,
    /// Its length in tokens.
    pub tokens: u32,
    /// Why it ended.
    pub finish: String,
    /// What was said to it.
    pub verdict: VerdictRecord,
}
