//! The presets: published rules at published sizes, and the same and our own at the size of two cores.
//!
//! Where paper and released code of STP differ, the table in `select/mod.rs` says how; where the reference gives no number
//! (iterations between refreshes), the released scripts' is taken.

use super::learner::LearnSettings;
use super::problems::ProblemSettings;
use super::prompts::PromptStyle;
use super::prover::Prover;
use super::screening::ScreeningSettings;
use super::select::conjectures::{ConjectureSettings, Elegance, EleganceScope, LemmaUse, PassRateWindow};
use super::select::proofs::ProofSettings;
use super::select::seeds::{GenerationSettings, SeedSettings};
use super::select::targets::{ConjectureLimit, TargetRule, TargetSettings};
use super::select::transport::TransportSettings;
use super::settings::{
    ConjecturingSettings, EvaluationSettings, From, Initial, RetrainSettings, RoundSettings,
    SamplingSettings, Settings, SftSettings,
};
use proofloop_datasets::Split;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// A named set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Our own rules, sized for two cores and half an hour
    Nano,
    /// STP's rules as published, at the size of nano
    NanoStp,
    /// STP as published
    StpPaper,
    /// STP as its code was released
    StpCode,
    /// The baseline that learns from problems alone, at the size of nano
    ExpertIteration,
    /// The baseline that learns nothing, at the size of nano
    ParallelSampling,
}

impl Preset {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::NanoStp => "nano-stp",
            Self::StpPaper => "stp-paper",
            Self::StpCode => "stp-code",
            Self::ExpertIteration => "expert-iteration",
            Self::ParallelSampling => "parallel-sampling",
        }
    }

    /// Its rules.
    #[must_use]
    pub fn settings(self, seed: u64) -> Settings {
        let settings = match self {
            Self::Nano => nano(seed),
            Self::NanoStp => nano_stp(seed),
            Self::StpPaper => stp_paper(seed),
            Self::StpCode => stp_code(seed),
            Self::ExpertIteration => expert_iteration(seed),
            Self::ParallelSampling => Settings { learning: None, ..expert_iteration(seed) },
        };
        Settings { preset: self.name().to_owned(), ..settings }
    }
}

const fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not 0")
}

fn tactics(list: &[&str]) -> Vec<String> {
    list.iter().map(|tactic| (*tactic).to_owned()).collect()
}

/// Eight epochs over some hundred examples: what the nano model needs to write Lean that parses.
fn nano_sft() -> SftSettings {
    SftSettings {
        learn: LearnSettings {
            epochs: 8,
            min_steps: 1,
            batch: count(16),
            learning_rate: 1e-3,
            warmup_steps: 20,
            cosine_floor: Some(0.1),
            weight_decay: 0.1,
            max_gradient_norm: Some(1.0),
            max_tokens: 512,
        },
        trivial_pairs: 0,
        nearest_pairs: 1,
    }
}

fn nano_round() -> RoundSettings {
    RoundSettings {
        from: From::Previous,
        learn: LearnSettings {
            epochs: 1,
            min_steps: 5,
            learning_rate: 3e-4,
            warmup_steps: 5,
            cosine_floor: None,
            ..nano_sft().learn
        },
        proofs: ProofSettings {
            rounds: None,
            dataset_pass_rate: None,
            conjecture_pass_rate: ProofSettings::code().conjecture_pass_rate,
            max_proofs: Some(4),
            time_rate: 0.0,
            ..ProofSettings::code()
        },
        replay_sft: true,
    }
}

fn nano(seed: u64) -> Settings {
    Settings {
        preset: String::new(),
        ablated: Vec::new(),
        seed,
        iterations: 3,
        prover: Prover::Lean,
        prompts: PromptStyle::Plain,
        problems: ProblemSettings {
            held_out: Split::Test,
            shown_proofs: 0.4,
            header: "set_option maxHeartbeats 20000".to_owned(),
            limit: None,
        },
        initial: Initial { model: None, sft: Some(nano_sft()) },
        sampling: SamplingSettings {
            first_round: count(4),
            samples: count(4),
            temperature: 1.0,
            // Hotter, half of what so small a model says does not parse.
            conjecture_temperature: 0.5,
            max_proof_tokens: count(128),
            plain_proofs_only: true,
            max_conjecture_tokens: count(128),
        },
        conjecturing: Some(ConjecturingSettings {
            seeds: SeedSettings { pass_rate_above: None, ..SeedSettings::code() },
            lemmas: true,
            shown_proofs_are_seeds: true,
            generation: GenerationSettings { multiplier: 1, per_dataset_statement: 1, max_per_input: 4 },
            screening: ScreeningSettings {
                up_to_renaming: true,
                cheap_tactics: tactics(&["rfl", "trivial", "assumption", "contradiction"]),
                contradiction_tactics: tactics(&["contradiction", "omega", "simp_all"]),
            },
            select: ConjectureSettings {
                pass_rate: Some(PassRateWindow { above: 0.0, up_to: 0.5, up_to_inclusive: true }),
                lemma_use: LemmaUse::Relabel { factor: 20.0, floor: 4096 },
                texts_once: true,
                elegance: Elegance::Quantile { q: 0.2, scope: EleganceScope::All },
            },
            transport: Some(TransportSettings::paper()),
        }),
        targets: TargetSettings {
            rule: TargetRule::SelfPlay {
                retry_below: Some(0.35),
                retry_probability: 0.05,
                conjectures: ConjectureLimit::Unproved,
            },
            max_targets: None,
        },
        round_budgets: Vec::new(),
        learning: Some(nano_round()),
        retraining: None,
        evaluation: EvaluationSettings { samples: 8, ks: vec![1, 8] },
    }
}

/// The published rules; sizes, prompts and the replay of the initial examples are nano's, without which so small a model
/// forgets what it was shown.
fn nano_stp(seed: u64) -> Settings {
    let nano = nano(seed);
    let paper = stp_paper(seed);
    let rules = |nano: ConjecturingSettings, paper: ConjecturingSettings| ConjecturingSettings {
        select: paper.select,
        transport: paper.transport,
        seeds: paper.seeds,
        ..nano
    };
    Settings {
        conjecturing: nano.conjecturing.zip(paper.conjecturing).map(|(nano, paper)| rules(nano, paper)),
        targets: paper.targets,
        learning: nano.learning.map(|learning| RoundSettings {
            // Without the seconds of a clock the run follows from its seed.
            proofs: ProofSettings { time_rate: 0.0, ..ProofSettings::paper() },
            ..learning
        }),
        ..nano
    }
}

/// What the large presets share with Mathlib's users.
fn large_learn(learning_rate: f64, warmup_steps: u64) -> LearnSettings {
    LearnSettings {
        epochs: 1,
        min_steps: 5,
        batch: count(2048),
        learning_rate,
        warmup_steps,
        cosine_floor: None,
        weight_decay: 0.0,
        max_gradient_norm: Some(1.0),
        max_tokens: 2048,
    }
}

fn stp_paper(seed: u64) -> Settings {
    Settings {
        iterations: 24,
        prompts: PromptStyle::Stp,
        problems: ProblemSettings {
            held_out: Split::Test,
            shown_proofs: 1.0,
            header: String::new(),
            limit: None,
        },
        initial: Initial {
            model: None,
            sft: Some(SftSettings { learn: large_learn(1e-4, 20), trivial_pairs: 0, nearest_pairs: 0 }),
        },
        sampling: SamplingSettings {
            first_round: count(64),
            samples: count(32),
            temperature: 1.0,
            conjecture_temperature: 1.0,
            max_proof_tokens: count(1024),
            plain_proofs_only: false,
            max_conjecture_tokens: count(1024),
        },
        conjecturing: Some(ConjecturingSettings {
            seeds: SeedSettings::paper(),
            lemmas: true,
            shown_proofs_are_seeds: false,
            generation: GenerationSettings::code(),
            screening: ScreeningSettings {
                up_to_renaming: true,
                cheap_tactics: tactics(&["rfl", "trivial", "assumption", "decide", "omega", "simp"]),
                contradiction_tactics: tactics(&["contradiction", "omega", "simp_all"]),
            },
            select: ConjectureSettings::paper(),
            transport: Some(TransportSettings::paper()),
        }),
        targets: TargetSettings::paper(),
        learning: Some(RoundSettings {
            from: From::Previous,
            learn: large_learn(5e-5, 5),
            proofs: ProofSettings::paper(),
            replay_sft: false,
        }),
        retraining: Some(RetrainSettings {
            learn: large_learn(1e-4, 20),
            proofs: ProofSettings::final_paper(),
            at_the_end: true,
            refresh_every: Some(12),
        }),
        evaluation: EvaluationSettings { samples: 32, ks: vec![1, 8, 32] },
        ..nano(seed)
    }
}

fn stp_code(seed: u64) -> Settings {
    let paper = stp_paper(seed);
    let rules = |conjecturing: ConjecturingSettings| ConjecturingSettings {
        seeds: SeedSettings::code(),
        select: ConjectureSettings::code(),
        transport: Some(TransportSettings::code()),
        ..conjecturing
    };
    Settings {
        conjecturing: paper.conjecturing.map(rules),
        targets: TargetSettings::code(),
        learning: paper.learning.map(|learning| RoundSettings { proofs: ProofSettings::code(), ..learning }),
        retraining: paper
            .retraining
            .map(|retraining| RetrainSettings { proofs: ProofSettings::final_code(), ..retraining }),
        ..paper
    }
}

/// As usual (`run_RL_expert_iter.sh`): unproved problems only, and each round learns from the initial model on all proofs so
/// far, at most 16 of a statement. It attempts half as much as self-play, so each statement gets twice the samples.
fn expert_iteration(seed: u64) -> Settings {
    let nano = nano(seed);
    let sampling = SamplingSettings {
        first_round: count(nano.sampling.first_round.get() * 2),
        samples: count(nano.sampling.samples.get() * 2),
        ..nano.sampling
    };
    Settings {
        sampling,
        conjecturing: None,
        targets: TargetSettings { rule: TargetRule::Unproved, max_targets: None },
        learning: nano.learning.map(|learning| RoundSettings {
            from: From::Initial,
            proofs: ProofSettings { time_rate: 0.0, ..ProofSettings::final_code() },
            ..learning
        }),
        ..nano
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selfplay::settings::Ablation;
    use clap::ValueEnum as _;

    #[test]
    fn every_preset_is_sound_and_survives_being_written() {
        for preset in Preset::value_variants() {
            let settings = preset.settings(3);
            settings.check().unwrap_or_else(|error| panic!("{preset:?}: {error}"));
            let text = toml::to_string(&settings).expect("writes");
            assert_eq!(toml::from_str::<Settings>(&text).expect("reads"), settings, "{preset:?}");
        }
    }

    #[test]
    fn every_ablation_changes_a_rule_of_nano_and_no_other_ablation_s() {
        let preset = Preset::Nano.settings(0);
        let mut seen = Vec::new();
        for &ablation in Ablation::value_variants() {
            let mut settings = preset.clone();
            settings.retraining = stp_paper(0).retraining;
            settings.learning.as_mut().expect("learns").proofs.rounds = Some(3);
            let before = settings.clone();
            settings.ablate(ablation);
            settings.check().unwrap_or_else(|error| panic!("{ablation:?}: {error}"));
            assert_eq!(settings.ablated, [ablation]);
            settings.ablated.clear();
            let changes_a_rule = settings != before || ablation == Ablation::ConjecturerLearning;
            assert!(changes_a_rule && !seen.contains(&settings), "{ablation:?}");
            seen.push(settings);
        }
    }
}
