//! Texts in rows that go through the model together.

use std::num::NonZeroUsize;

use candle_core::Tensor;

use super::super::error::Result;
use super::trajectory::Actions;
use crate::model::{Decoder, Layout, TrainContext};

/// Rows of one text each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    /// `rows * length`, row after row; 0 where nothing is.
    tokens: Vec<u32>,
    length: usize,
    /// Which text is in each row.
    pub(super) members: Vec<usize>,
    /// The place in `tokens` behind which each action was chosen: those of the first row, then those of the next.
    places: Vec<u32>,
    /// The actions there.
    pub(super) actions: Vec<u32>,
}

/// Longest first, in parts of at most `max_tokens` places (or one row). Texts are those at `chosen` of `all`.
pub(super) fn lay_out(all: &[Actions<'_>], chosen: &[usize], max_tokens: NonZeroUsize) -> Vec<Rows> {
    let mut sorted = chosen.to_vec();
    sorted.sort_by_key(|&index| std::cmp::Reverse(all[index].inputs()));
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for index in sorted {
        // The first of a part is its longest.
        let fits = |part: &&mut Vec<usize>| (part.len() + 1) * all[part[0]].inputs() <= max_tokens.get();
        match parts.last_mut().filter(fits) {
            Some(part) => part.push(index),
            None => parts.push(vec![index]),
        }
    }
    parts.into_iter().map(|members| Rows::new(all, members)).collect()
}

impl Rows {
    fn new(all: &[Actions<'_>], members: Vec<usize>) -> Self {
        let length = members.iter().map(|&index| all[index].inputs()).max().unwrap_or(0);
        let mut tokens = vec![0; members.len() * length];
        let (mut places, mut actions) = (Vec::new(), Vec::new());
        for (row, &index) in members.iter().enumerate() {
            let text = &all[index];
            let start = row * length;
            tokens[start..start + text.inputs()].copy_from_slice(&text.tokens[..text.inputs()]);
            for at in text.turns.iter().cloned().flatten() {
                places.push((start + at - 1) as u32);
                actions.push(text.tokens[at]);
            }
        }
        Self { tokens, length, members, places, actions }
    }

    /// Tokens [rows, length], and what goes with them.
    pub(super) fn inputs(&self, model: &Decoder) -> Result<(Tensor, TrainContext)> {
        let tokens = Tensor::from_slice(&self.tokens, (self.members.len(), self.length), model.device())?;
        Ok((tokens, model.train_context(self.length, Layout::OneText, None)?))
    }

    /// Of a last hidden state [rows, length, hidden], those that actions were chosen behind, [actions, hidden].
    pub(super) fn chosen(&self, hidden: &Tensor) -> Result<Tensor> {
        let places = Tensor::new(self.places.as_slice(), hidden.device())?;
        Ok(hidden.flatten(0, 1)?.index_select(&places, 0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_chosen_behind_the_token_before_them() {
        let (first, second) = ([5_u32, 6, 7, 8, 9], [1_u32, 2, 3]);
        let [of_second, of_first] = [1..2, 2..3].map(|turn| [turn]);
        let all = [
            Actions { tokens: &second, turns: &of_second },
            Actions { tokens: &first, turns: &[1..2, 3..5] },
            Actions { tokens: &first, turns: &of_first },
        ];
        let room = NonZeroUsize::new(8).expect("not 0");
        let parts = lay_out(&all, &[0, 1, 2], room);
        // 4 places, 2 and 1: two rows of 4, then one of 1.
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].members.as_slice(), parts[0].length), ([1, 2].as_slice(), 4));
        assert_eq!(parts[0].tokens, [5, 6, 7, 8, 5, 6, 0, 0]);
        assert_eq!(
            (parts[0].places.as_slice(), parts[0].actions.as_slice()),
            ([0, 2, 3, 5].as_slice(), [6, 8, 9, 7].as_slice())
        );
        assert_eq!(
            (parts[1].tokens.as_slice(), parts[1].actions.as_slice()),
            ([1].as_slice(), [2].as_slice())
        );
        assert_eq!(lay_out(&all, &[2], room)[0].members, [2]);
        assert_eq!(lay_out(&all, &[0, 1, 2], NonZeroUsize::MIN).len(), 3);
    }
}
