//! Our own rules, sized for two cores and half an hour.

use super::settings::{
    BaseSettings, CollectSettings, EvaluationSettings, Language, RlAlgorithm, RlSettings, Settings,
    SftSettings, Shaping, TaskSettings, Teacher,
};
use crate::selfplay::LearnSettings;
use proofloop_datasets::Split;
use std::num::NonZeroUsize;

const fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not 0")
}

impl Settings {
    /// The rules where nothing else is said.
    #[must_use]
    pub fn nano(language: Language, seed: u64) -> Self {
        match language {
            Language::Python => python(seed),
            Language::Lean => lean(seed),
        }
    }
}

fn learn() -> LearnSettings {
    LearnSettings {
        epochs: 3,
        min_steps: 1,
        batch: count(32),
        learning_rate: 1e-3,
        warmup_steps: 50,
        cosine_floor: Some(0.1),
        weight_decay: 0.1,
        max_gradient_norm: Some(1.0),
        max_tokens: 512,
    }
}

fn rl() -> RlSettings {
    RlSettings {
        algorithm: RlAlgorithm::Ppo,
        shaping: Shaping::Ledex,
        iterations: 3,
        problems: 120,
        samples: count(1),
        refinements: count(4),
        most_wrong: 64,
        temperature: 1.0,
        learning_rate: 2e-5,
        epochs: count(2),
        minibatch: count(32),
        kl_coefficient: 0.05,
        gamma: 0.99,
        clip: 0.2,
        // LeDex's rewards are from -5 to 5; a value head of this size learns them better from -1 to 1.
        reward_scale: 0.2,
    }
}

fn python(seed: u64) -> Settings {
    Settings {
        language: Language::Python,
        seed,
        explain: true,
        tasks: TaskSettings { planted: 6_000, planted_held_out: 160, held_out: Split::Test, limit: None },
        base: BaseSettings { model: None, learn: learn(), debug_share: 0.05 },
        collect: CollectSettings {
            problems: 300,
            samples: count(2),
            temperature: 1.0,
            wrong: 2,
            refinements: count(3),
            refine_temperature: 0.8,
            turns: 2,
            teacher: Teacher::Own,
            teacher_tokens: count(1024),
            planted_bugs: 14_000,
        },
        sft: SftSettings { learn: LearnSettings { epochs: 1, batch: count(16), ..learn() }, rise_tau: None },
        rl: Some(rl()),
        // As pass@1 is measured mostly (Chen et al. 2021): what a model is sure of, and not the slips of the draw.
        evaluation: EvaluationSettings { samples: 8, temperature: 0.2, turns: 1, max_tokens: count(96) },
    }
}

fn lean(seed: u64) -> Settings {
    let python = python(seed);
    Settings {
        language: Language::Lean,
        // Nobody has written down what is wrong with a proof.
        explain: false,
        tasks: TaskSettings { planted: 0, planted_held_out: 0, ..python.tasks },
        base: BaseSettings {
            learn: LearnSettings { epochs: 8, batch: count(16), warmup_steps: 20, ..learn() },
            debug_share: 0.0,
            model: None,
        },
        collect: CollectSettings { problems: 450, wrong: 3, turns: 1, planted_bugs: 0, ..python.collect },
        sft: SftSettings {
            learn: LearnSettings { epochs: 4, batch: count(16), learning_rate: 3e-4, ..learn() },
            rise_tau: None,
        },
        rl: Some(RlSettings { iterations: 1, ..rl() }),
        evaluation: EvaluationSettings { max_tokens: count(128), ..python.evaluation },
        ..python
    }
}
