//! Invented runs for tests, written to a real store.

use super::Facts;
use proofloop_datasets::Split;
use proofloop_datasets::store::{
    CandidateText, ConjectureRecord, Lineage, Origin, RunStore, Sample, StageKey, StageWrites, Statement,
    StatementId, VerdictRecord,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// How large an invented run is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) training: u32,
    pub(super) held_out: u32,
    pub(super) iterations: u32,
    /// Conjectures of an iteration; none for expert iteration.
    pub(super) conjectures: u32,
    pub(super) samples: u32,
    /// Whether the conjecturer learns to say `∨`.
    pub(super) collapses: bool,
    pub(super) seed: u64,
}

const TACTICS: &[&str] = &["simp", "omega", "rw", "exact", "induction", "cases", "intro", "rfl"];
const LEMMAS: &[&str] =
    &["Nat.add_comm", "Nat.mul_comm", "List.map_map", "Nat.le_of_lt", "List.length_append", "Int.neg_neg"];
const OUTCOMES: &[&str] = &["unparsable", "duplicate", "ill-typed", "trivial", "contradictory"];

struct Inventor {
    store: RunStore,
    generator: ChaCha8Rng,
    shape: Shape,
    /// How hard each statement is, by number.
    difficulty: Vec<f64>,
    statements: Vec<Statement>,
}

/// What is read of an invented run.
pub(super) fn facts(name: &str, shape: Shape) -> Facts {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = RunStore::create(&folder.path().join("store.sqlite")).expect("a new store");
    let generator = ChaCha8Rng::seed_from_u64(shape.seed);
    let mut inventor = Inventor { store, generator, shape, difficulty: Vec::new(), statements: Vec::new() };
    inventor.invent();
    let settings = format!(
        "[settings]\npreset = \"stp-paper\"\nseed = {}\n[settings.evaluation]\nks = [1, 8]\n",
        shape.seed
    );
    Facts::read(&inventor.store, name, &settings).expect("the store can be read")
}

impl Inventor {
    fn uniform(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }

    fn invent(&mut self) {
        self.problems();
        self.sample_stage(0, "before", 0.05);
        for iteration in 1..=self.shape.iterations {
            if self.shape.conjectures > 0 {
                self.conjecture(iteration);
            }
            self.sample_stage(iteration, "prove", 0.1 + 0.05 * f64::from(iteration));
            self.finish(iteration, "select", StageWrites { wall_ms: 1500, ..StageWrites::default() });
            let loss = 2.0 / f64::from(iteration + 1);
            let detail = json!({"steps": 100, "loss": loss, "examples": 900 + 50 * iteration});
            self.finish(
                iteration,
                "train",
                StageWrites { wall_ms: 60_000, detail, ..StageWrites::default() },
            );
        }
        self.sample_stage(self.shape.iterations + 1, "after", 0.1 + 0.05 * f64::from(self.shape.iterations));
    }

    fn finish(&mut self, iteration: u32, stage: &str, writes: StageWrites) {
        self.store.finish_stage(StageKey { iteration, stage }, &writes).expect("a new stage");
    }

    fn statement(&mut self, text: String, split: Option<Split>, lineage: Option<Lineage>) -> Statement {
        let id = StatementId::try_from(self.statements.len() + 1).expect("few");
        let name = text.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let origin = if lineage.is_some() { Origin::Conjecture } else { Origin::Problem };
        let key = *blake3::hash(text.as_bytes()).as_bytes();
        let statement =
            Statement { id, key, name, header: String::new(), text, origin, split, known: None, lineage };
        let difficulty = self.uniform();
        self.difficulty.push(difficulty);
        self.statements.push(statement.clone());
        statement
    }

    fn problems(&mut self) {
        let count = self.shape.training + self.shape.held_out;
        let mut statements = Vec::new();
        for number in 0..count {
            let split = if number < self.shape.training { Split::Train } else { Split::Test };
            let text = format!(
                "theorem problem_{number} (a b : Nat) (h : a < b) : a + {number} < b + {number} := by"
            );
            statements.push(self.statement(text, Some(split), None));
        }
        self.finish(0, "problems", StageWrites { statements, wall_ms: 900, ..StageWrites::default() });
    }

    fn conjecture(&mut self, iteration: u32) {
        let mut writes = StageWrites { wall_ms: 45_000, ..StageWrites::default() };
        for ordinal in 0..self.shape.conjectures {
            let seed = StatementId::from(ordinal % self.shape.training.max(1)) + 1;
            let lemma = LEMMAS[self.below(LEMMAS.len())].to_owned();
            let alternative = self.shape.collapses && self.uniform() < 0.12 * f64::from(iteration);
            let claim = if alternative {
                format!("a = {ordinal} ∨ {}", vec!["a + 0 = a"; iteration as usize].join(" ∨ "))
            } else {
                format!("a * {ordinal} = {ordinal} * a")
            };
            // Text of a model's that would like to be more than text.
            let mark = if ordinal == 0 { " (h : \"<script>alert(1)</script>\" = \"</pre>\")" } else { "" };
            let text = format!("theorem conjecture_{iteration}_{ordinal} (a : Nat){mark} : {claim} := by");
            let outcome = if self.uniform() < 0.5 && ordinal > 0 {
                OUTCOMES[self.below(OUTCOMES.len())]
            } else {
                "new"
            };
            let statement = (outcome == "new").then(|| {
                let lineage = Lineage { iteration, seed, lemma: lemma.clone(), level: 1 };
                self.statement(text.clone(), None, Some(lineage))
            });
            let outcome = outcome.to_owned();
            let id = statement.as_ref().map(|statement| statement.id);
            writes.conjectures.push(ConjectureRecord {
                iteration,
                ordinal,
                seed,
                lemma,
                text,
                outcome,
                statement: id,
            });
            writes.statements.extend(statement);
        }
        writes.detail = json!({"busy": {"generator": 0.9, "farm": 0.4}});
        self.finish(iteration, "conjecture", writes);
    }

    fn sample_stage(&mut self, iteration: u32, stage: &str, skill: f64) {
        let is_wanted = |statement: &&Statement| match (stage, &statement.lineage) {
            ("prove", Some(lineage)) => lineage.iteration == iteration,
            ("prove", None) => statement.split == Some(Split::Train),
            _ => statement.split == Some(Split::Test),
        };
        let wanted: Vec<Statement> = self.statements.iter().filter(is_wanted).cloned().collect();
        let mut samples = Vec::new();
        for statement in wanted {
            // The marked text is to be found among the proved ones.
            let is_easy = statement.text.contains("script");
            let hard = if is_easy { 0.0 } else { self.difficulty[statement.id as usize - 1] };
            let chance = (skill * 2.0 - hard).clamp(0.0, 0.95);
            for sample in 0..self.shape.samples {
                samples.push(self.sample(iteration, stage, &statement, sample, chance));
            }
        }
        let busy = json!({"generator": 0.6 + 0.03 * f64::from(iteration), "farm": 0.95});
        let detail = if stage == "prove" { json!({ "busy": busy }) } else { Value::Null };
        let wall_ms = samples.len() as u64 * 12;
        self.finish(iteration, stage, StageWrites { samples, wall_ms, detail, ..StageWrites::default() });
    }

    fn sample(
        &mut self,
        iteration: u32,
        stage: &str,
        statement: &Statement,
        sample: u32,
        chance: f64,
    ) -> Sample {
        let is_accepted = self.uniform() < chance;
        let variety =
            if self.shape.collapses { LEMMAS.len() / iteration.max(1) as usize } else { LEMMAS.len() };
        let (tactic, lemma) = (TACTICS[self.below(TACTICS.len())], LEMMAS[self.below(variety.max(1))]);
        let completion = format!("\n  {tactic} [{lemma}, h]{}", if is_accepted { "" } else { " -- no" });
        let (verdict, reason) = match self.below(10) {
            _ if is_accepted => ("accepted", None),
            0 => ("timeout", None),
            1 => ("rejected", Some("sorry".to_owned())),
            _ => ("rejected", Some("elaboration-error".to_owned())),
        };
        let text =
            CandidateText { header: &statement.header, statement: &statement.text, completion: &completion };
        let record = VerdictRecord {
            verdict: verdict.to_owned(),
            reason,
            assurance: None,
            message: None,
            wall_ms: 20,
            cpu_ms: 18,
            peak_memory_bytes: 1 << 28,
        };
        let candidate = self.store.add_verdict(&text, &record).expect("a verdict");
        Sample {
            stage: stage.to_owned(),
            iteration,
            statement: statement.id,
            sample,
            candidate,
            tokens: 12,
            finish: "stop".to_owned(),
        }
    }
}
