//! Samples finish in any order and are written in the order of the prompts: what comes early waits.

/// What became of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Not known yet.
    Open,
    /// To be written.
    Line(String),
    /// Written, or nothing to write: it failed or was cancelled.
    Done,
}

/// The samples of a block.
#[derive(Debug)]
pub(super) struct Order {
    places: Vec<Place>,
    /// All before it are done.
    next: usize,
}

impl Order {
    pub(super) fn new(samples: usize) -> Self {
        Self { places: vec![Place::Open; samples], next: 0 }
    }

    /// Takes what became of one, and gives what can be written now.
    pub(super) fn set(&mut self, index: usize, place: Place) -> Vec<String> {
        if let Some(known) = self.places.get_mut(index) {
            *known = place;
        }
        let mut lines = Vec::new();
        while let Some(place) = self.places.get_mut(self.next).filter(|place| **place != Place::Open) {
            if let Place::Line(line) = std::mem::replace(place, Place::Done) {
                lines.push(line);
            }
            self.next += 1;
        }
        lines
    }

    /// What is left to be written when no more will come.
    pub(super) fn rest(self) -> impl Iterator<Item = String> {
        self.places.into_iter().filter_map(|place| match place {
            Place::Line(line) => Some(line),
            Place::Open | Place::Done => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_and_none_is_lost() {
        let mut order = Order::new(5);
        let line = |text: &str| Place::Line(text.to_owned());
        assert!(order.set(1, line("1")).is_empty());
        assert_eq!(order.set(0, line("0")), ["0", "1"]);
        assert!(order.set(4, line("4")).is_empty());
        assert!(order.set(2, Place::Done).is_empty());
        assert_eq!(order.rest().collect::<Vec<_>>(), ["4"]);
    }
}
