//! Step H, rules 1 to 4: which conjectures the conjecturer learns from. (Rule 5, their weights, is [`super::transport`].)
//!
//! In this order (paper §3.3, `get_conjecture_examples` and `filtered_conjecture_examples` of the released code):
//! 1. the prover must have proved it, but seldom;
//! 2. the lemma that it was asked to use must occur in a correct proof;
//! 3. a text comes once;
//! 4. its shortest proof must not be too short beside its statement.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::{Result, not_negative, share};
use super::random::{Random, Stream};

/// What the rules need to know of a correct proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConjectureProof<'a> {
    /// Characters of its text.
    pub chars: usize,
    /// The lemmas that it uses.
    pub lemmas: &'a [String],
}

/// A conjecture that was attempted.
#[derive(Debug, Clone, PartialEq)]
pub struct Conjecture<'a> {
    /// Its id.
    pub statement: i64,
    /// Its text: what is deduplicated, and measured in characters.
    pub text: &'a str,
    /// The lemma that the conjecturer was given; `""` is the trivial one.
    pub lemma: &'a str,
    /// The share of its samples that were accepted.
    pub pass_rate: f64,
    /// Its correct proofs (of the buffered rounds).
    pub proofs: Vec<ConjectureProof<'a>>,
}

/// The pass rates of conjectures that are learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassRateWindow {
    /// Higher than this, never equal.
    pub above: f64,
    /// Not higher than this.
    pub up_to: f64,
    /// Whether `up_to` itself is in the window.
    pub up_to_inclusive: bool,
}

/// What happens to conjectures none of whose correct proofs uses their lemma.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LemmaUse {
    /// They fall (paper). The trivial lemma counts as used: there is nothing to use.
    Required,
    /// They stay, with the trivial lemma instead of theirs (released code). Those that had it from the beginning are among
    /// them.
    Relabel {
        /// At most this many times as many as use their lemma,
        factor: f64,
        /// or this many, if that is more. Chance says which.
        floor: usize,
    },
    /// Nothing.
    Off,
}

/// Whether conjectures fall whose proofs are short beside them.
///
/// A conjecture's score is the smallest of (characters of a correct proof) / (characters of the statement); a score below
/// the quantile falls, one equal to it stays. The quantile of `n` scores in rising order `x_0 …` is numpy's default
/// ("linear", type 7 of Hyndman and Fan): with `h = q (n - 1)`, `x_⌊h⌋ + (h - ⌊h⌋) (x_⌈h⌉ - x_⌊h⌋)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Elegance {
    /// All stay.
    Off,
    /// Those below the quantile fall.
    Quantile {
        /// The share that falls, about.
        q: f64,
        /// Among whom the quantile is taken.
        scope: EleganceScope,
    },
}

/// Among whom a quantile is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EleganceScope {
    /// All conjectures that are left (paper).
    All,
    /// Those with the same lemma, after rule 2 (released code). A conjecture alone stays.
    PerLemma,
}

/// The rules 1 to 4 of step H.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConjectureSettings {
    /// Rule 1; without it a correct proof is enough.
    pub pass_rate: Option<PassRateWindow>,
    /// Rule 2.
    pub lemma_use: LemmaUse,
    /// Rule 3.
    pub texts_once: bool,
    /// Rule 4.
    pub elegance: Elegance,
}

impl ConjectureSettings {
    /// As published: §3.3 of the paper.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            pass_rate: Some(PassRateWindow { above: 0.0, up_to: 0.25, up_to_inclusive: true }),
            lemma_use: LemmaUse::Required,
            texts_once: true,
            elegance: Elegance::Quantile { q: 0.2, scope: EleganceScope::All },
        }
    }

    /// As released.
    #[must_use]
    pub fn code() -> Self {
        Self {
            pass_rate: Some(PassRateWindow { above: 0.0, up_to: 0.25, up_to_inclusive: false }),
            lemma_use: LemmaUse::Relabel { factor: 20.0, floor: 4096 },
            texts_once: true,
            elegance: Elegance::Quantile { q: 0.2, scope: EleganceScope::PerLemma },
        }
    }

    /// # Errors
    /// A rate, quantile or factor is out of its range.
    pub fn check(&self) -> Result<()> {
        if let Some(window) = self.pass_rate {
            share("pass_rate.above", window.above)?;
            share("pass_rate.up_to", window.up_to)?;
        }
        match self.lemma_use {
            LemmaUse::Relabel { factor, floor: _ } => not_negative("lemma_use.factor", factor)?,
            LemmaUse::Required | LemmaUse::Off => {}
        }
        match self.elegance {
            Elegance::Quantile { q, scope: _ } => share("elegance.q", q),
            Elegance::Off => Ok(()),
        }
    }
}

/// A conjecture that is left.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectedConjecture {
    /// Its place in what was given.
    pub index: usize,
    /// Its id.
    pub statement: i64,
    /// The lemma that the example names: the one that was given to the conjecturer, or `""`.
    pub lemma: String,
    /// Its elegance.
    pub score: f64,
}

/// What became of the conjectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConjectureCounts {
    /// Conjectures that were attempted.
    pub attempted: usize,
    /// Those without a correct proof.
    pub unproved: usize,
    /// Those proved, but at or below the window's lower end.
    pub under_window: usize,
    /// Those above its upper end.
    pub over_window: usize,
    /// Those that fell because no proof uses their lemma.
    pub lemma_unused: usize,
    /// Those that lost their lemma for the trivial one,
    pub relabelled: usize,
    /// and those for whom there was no room.
    pub over_relabel_limit: usize,
    /// Those whose text is there already.
    pub repeated: usize,
    /// Those below the quantile.
    pub inelegant: usize,
    /// What is left.
    pub selected: usize,
}

/// The conjectures that the conjecturer learns from, in the order in which they were given; of the same text stays one
/// that uses its lemma if there is one, and else the first.
#[must_use]
pub fn select_conjectures(
    conjectures: &[Conjecture<'_>],
    settings: &ConjectureSettings,
    seed: u64,
) -> (Vec<SelectedConjecture>, ConjectureCounts) {
    let mut counts = ConjectureCounts { attempted: conjectures.len(), ..ConjectureCounts::default() };
    let proved = in_window(conjectures, settings.pass_rate, &mut counts);
    let labelled = label(conjectures, proved, settings.lemma_use, seed, &mut counts);
    let mut texts = BTreeSet::new();
    let mut selected = Vec::new();
    for (index, lemma) in labelled {
        let conjecture = &conjectures[index];
        if settings.texts_once && !texts.insert(conjecture.text) {
            counts.repeated += 1;
        } else {
            selected.push(SelectedConjecture {
                index,
                statement: conjecture.statement,
                lemma: lemma.to_owned(),
                score: score(conjecture),
            });
        }
    }
    selected.sort_by_key(|one| one.index);
    counts.inelegant = drop_inelegant(&mut selected, settings.elegance);
    counts.selected = selected.len();
    (selected, counts)
}

/// The places of those that rule 1 keeps.
fn in_window(
    conjectures: &[Conjecture<'_>],
    window: Option<PassRateWindow>,
    counts: &mut ConjectureCounts,
) -> Vec<usize> {
    let mut is_in = |conjecture: &Conjecture<'_>| {
        let rate = conjecture.pass_rate;
        let fallen = if conjecture.proofs.is_empty() || rate <= 0.0 {
            &mut counts.unproved
        } else if window.is_some_and(|window| rate <= window.above) {
            &mut counts.under_window
        } else if window.is_some_and(|w| if w.up_to_inclusive { rate > w.up_to } else { rate >= w.up_to }) {
            &mut counts.over_window
        } else {
            return true;
        };
        *fallen += 1;
        false
    };
    (0..conjectures.len()).filter(|&index| is_in(&conjectures[index])).collect()
}

/// Rule 2: the places that stay, with the lemma of their example; those that use theirs come first.
fn label<'a>(
    conjectures: &[Conjecture<'a>],
    proved: Vec<usize>,
    rule: LemmaUse,
    seed: u64,
    counts: &mut ConjectureCounts,
) -> Vec<(usize, &'a str)> {
    let uses = |&index: &usize| {
        let Conjecture { lemma, proofs, .. } = &conjectures[index];
        proofs.iter().any(|proof| proof.lemmas.iter().any(|used| used == lemma))
    };
    let own = |index: usize| (index, conjectures[index].lemma);
    let (users, mut others): (Vec<usize>, Vec<usize>) = proved.into_iter().partition(uses);
    let mut labelled: Vec<_> = users.into_iter().map(own).collect();
    match rule {
        LemmaUse::Off => labelled.extend(others.into_iter().map(own)),
        LemmaUse::Required => {
            let (trivial, unused): (Vec<usize>, Vec<usize>) =
                others.into_iter().partition(|&index| conjectures[index].lemma.is_empty());
            counts.lemma_unused = unused.len();
            labelled.extend(trivial.into_iter().map(own));
        }
        LemmaUse::Relabel { factor, floor } => {
            let most = ((factor * labelled.len() as f64) as usize).max(floor);
            counts.over_relabel_limit = Random::new(seed, Stream::Relabel).cut(&mut others, most);
            counts.relabelled = others.iter().filter(|&&index| !conjectures[index].lemma.is_empty()).count();
            labelled.extend(others.into_iter().map(|index| (index, "")));
        }
    }
    labelled
}

/// The smallest of characters of a proof for each character of the statement.
fn score(conjecture: &Conjecture<'_>) -> f64 {
    let shortest = conjecture.proofs.iter().map(|proof| proof.chars).min().unwrap_or(0);
    shortest as f64 / conjecture.text.chars().count().max(1) as f64
}

/// Rule 4; says how many fell.
fn drop_inelegant(selected: &mut Vec<SelectedConjecture>, rule: Elegance) -> usize {
    let Elegance::Quantile { q, scope } = rule else { return 0 };
    let group = |one: &SelectedConjecture| match scope {
        EleganceScope::All => String::new(),
        EleganceScope::PerLemma => one.lemma.clone(),
    };
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for one in &*selected {
        groups.entry(group(one)).or_default().push(one.score);
    }
    let least: BTreeMap<String, f64> = groups
        .into_iter()
        .filter_map(|(group, mut scores)| Some((group, quantile(&mut scores, q)?)))
        .collect();
    let before = selected.len();
    selected.retain(|one| least.get(&group(one)).is_none_or(|&least| one.score >= least));
    before - selected.len()
}

/// The quantile as [`Elegance`] defines it; none of no numbers.
fn quantile(numbers: &mut [f64], q: f64) -> Option<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    let place = q * numbers.len().checked_sub(1)? as f64;
    let low = *numbers.get(place.floor() as usize)?;
    let high = *numbers.get(place.ceil() as usize)?;
    Some(low + (place - place.floor()) * (high - low))
}

#[cfg(test)]
#[path = "conjectures_tests.rs"]
mod tests;
