//! Problems to the statements of a run: which are proved in training, which are held out, and whose proofs may be shown.

use super::chance;
use super::error::{Result, SelfPlayError};
use super::prover::Prover;
use proofloop_datasets::store::{Origin, Statement};
use proofloop_datasets::{Problem, Split};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a run makes of its problems.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemSettings {
    /// The split that is reported on, and never learnt from.
    pub held_out: Split,
    /// The share of the training problems with a published proof whose proof is shown to the model at the start. The proofs of
    /// the others, and of what is held out, are never read.
    pub shown_proofs: f64,
    /// Commands behind every problem's own header, such as a limit on heartbeats, which makes that a proof is found too
    /// expensive the same on every machine.
    pub header: String,
    /// The training problems are cut to so many, by chance; for trials.
    pub limit: Option<usize>,
}

impl ProblemSettings {
    /// # Errors
    /// A share is out of its range.
    pub(super) fn check(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.shown_proofs) {
            return Ok(());
        }
        Err(SelfPlayError::setting("shown_proofs", format!("{} is not from 0 to 1", self.shown_proofs)))
    }
}

/// The statements of a run, and what else its problems say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chosen {
    /// Training problems first, then those that are held out; numbered from 1.
    pub(super) statements: Vec<Statement>,
    /// Training problems that equal an earlier one up to renaming.
    pub(super) duplicates: usize,
    /// Training problems that equal one that is held out, and are left out for it.
    pub(super) contaminated: usize,
}

/// Chooses; everything follows from the problems, the settings and the seed.
///
/// # Errors
/// A problem is not the prover's; nothing is left to train on.
pub(super) fn choose(
    problems: &[Problem],
    prover: Prover,
    settings: &ProblemSettings,
    seed: u64,
) -> Result<Chosen> {
    let mut held_out_keys = BTreeSet::new();
    let mut held_out = Vec::new();
    let mut training: Vec<(Statement, bool)> = Vec::new();
    let mut chosen = Chosen::default();
    for problem in problems.iter().filter(|problem| problem.split == settings.held_out) {
        let statement = statement(problem, prover, settings)?;
        held_out_keys.insert(statement.key);
        held_out.push(Statement { known: None, ..statement });
    }
    let mut seen = BTreeSet::new();
    for problem in problems.iter().filter(|problem| problem.split == Split::Train) {
        let statement = statement(problem, prover, settings)?;
        if held_out_keys.contains(&statement.key) {
            chosen.contaminated += 1;
        } else if !seen.insert(statement.key) {
            chosen.duplicates += 1;
        } else {
            training.push((statement, problem.known.is_some()));
        }
    }
    if training.is_empty() {
        let problem = "have none of the split `train` to learn from".to_owned();
        return Err(SelfPlayError::Problems { problem });
    }
    if let Some(limit) = settings.limit.filter(|&limit| limit < training.len()) {
        let kept = chance::choose(seed, "problems", 0, training.len(), limit);
        training = kept.into_iter().map(|index| training[index].clone()).collect();
    }
    let proved: Vec<usize> = (0..training.len()).filter(|&index| training[index].1).collect();
    let count = (settings.shown_proofs * proved.len() as f64).round() as usize;
    let shown: BTreeSet<usize> =
        chance::choose(seed, "shown", 0, proved.len(), count).into_iter().map(|at| proved[at]).collect();
    let training = training.into_iter().enumerate().map(|(index, (statement, _))| {
        let known = statement.known.filter(|_| shown.contains(&index));
        Statement { known, ..statement }
    });
    chosen.statements = training.chain(held_out).collect();
    (1..).zip(&mut chosen.statements).for_each(|(id, statement)| statement.id = id);
    Ok(chosen)
}

fn statement(problem: &Problem, prover: Prover, settings: &ProblemSettings) -> Result<Statement> {
    let Some((header, text)) = prover.statement(problem, &settings.header) else {
        let (prover, name, language) = (prover.name(), &problem.name, problem.language());
        let problem = format!("are not all for {prover}: `{name}` is of the kind `{language}`");
        return Err(SelfPlayError::Problems { problem });
    };
    Ok(Statement {
        id: 0,
        key: prover.key(&header, &text),
        name: problem.name.clone(),
        header,
        text,
        origin: Origin::Problem,
        split: Some(problem.split),
        known: problem.known.clone(),
        lineage: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofloop_datasets::workbook;

    fn settings() -> ProblemSettings {
        ProblemSettings {
            held_out: Split::Test,
            shown_proofs: 0.4,
            header: "set_option maxHeartbeats 20000".to_owned(),
            limit: None,
        }
    }

    fn problems() -> Vec<Problem> {
        [Split::Train, Split::Valid, Split::Test].into_iter().flat_map(workbook::problems).collect()
    }

    #[test]
    fn proofs_are_shown_of_the_share_and_of_nothing_held_out() {
        let chosen = choose(&problems(), Prover::Lean, &settings(), 7).expect("chooses");
        assert_eq!((chosen.statements.len(), chosen.duplicates, chosen.contaminated), (605, 0, 0));
        let shown = |split: Split| {
            let of = chosen.statements.iter().filter(|statement| statement.split == Some(split));
            of.filter(|statement| statement.known.is_some()).count()
        };
        assert_eq!((shown(Split::Train), shown(Split::Test)), (200, 0));
        let ids: Vec<i64> = chosen.statements.iter().map(|statement| statement.id).collect();
        assert_eq!(ids, (1..=605).collect::<Vec<_>>());
        assert!(chosen.statements.iter().all(|statement| statement.header.ends_with("20000")));
        assert_eq!(chosen, choose(&problems(), Prover::Lean, &settings(), 7).expect("chooses"));
        assert_ne!(chosen, choose(&problems(), Prover::Lean, &settings(), 8).expect("chooses"));
    }

    #[test]
    fn what_is_held_out_is_not_trained_on_under_another_name() {
        let mut all = problems();
        let mut copy = all.iter().find(|problem| problem.split == Split::Test).expect("some").clone();
        copy.split = Split::Train;
        all.push(copy.clone());
        copy = all[0].clone();
        copy.name = "again".to_owned();
        all.push(copy);
        let chosen = choose(&all, Prover::Lean, &settings(), 7).expect("chooses");
        assert_eq!((chosen.statements.len(), chosen.duplicates, chosen.contaminated), (605, 1, 1));
    }

    #[test]
    fn a_limit_keeps_the_order() {
        let chosen = choose(&problems(), Prover::Lean, &ProblemSettings { limit: Some(10), ..settings() }, 7)
            .expect("chooses");
        assert_eq!(chosen.statements.len(), 115);
        let none: Vec<Problem> = problems().into_iter().filter(|p| p.split == Split::Test).collect();
        assert!(choose(&none, Prover::Lean, &settings(), 7).is_err());
    }
}
