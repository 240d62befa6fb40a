//! The families: each draws tasks of one kind.

mod bounds;
mod lists;
mod numbers;
mod order;
mod places;
mod text;
mod whole;
mod words;

use super::draft::Draft;
use super::rng::Rng;

/// A kind of task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    /// What it is about: `numbers`, `lists`, `words` or `text`.
    pub(super) topic: &'static str,
    /// How often it is drawn: those with many different tasks more often.
    pub(super) weight: usize,
    pub(super) draft: fn(&mut Rng) -> Draft,
}

impl Family {
    const fn new(
        name: &'static str,
        topic: &'static str,
        weight: usize,
        draft: fn(&mut Rng) -> Draft,
    ) -> Self {
        Self { name, topic, weight, draft }
    }
}

/// All of them.
pub(super) fn all() -> Vec<Family> {
    [
        lists::FAMILIES,
        whole::FAMILIES,
        bounds::FAMILIES,
        numbers::FAMILIES,
        order::FAMILIES,
        places::FAMILIES,
        words::FAMILIES,
        text::FAMILIES,
    ]
    .concat()
}
