//! An ideal server: so many workers, turns in the order of arrival, and nothing costs time but the items themselves.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Latencies at an ideal server, for requests that cost so much and are sent in this order over so many connections, each of
/// which sends the next one when it has its answer, as the measured client does.
///
/// Not for the times at which the measured server got them: that one's pace sets those, so at an ideal server nobody would
/// wait, and each hundredth that the measured one is slower would add up over the run until it is the whole queue.
pub(super) fn latencies(workers: usize, connections: usize, costs: &[Duration]) -> Vec<Duration> {
    let at_once = |count: usize| -> BinaryHeap<_> {
        std::iter::repeat_n(Reverse(Duration::ZERO), count.max(1)).collect()
    };
    let (mut free_at, mut sent_at) = (at_once(workers), at_once(connections));
    let latency = |costs: &Duration| {
        let Reverse(sent) = sent_at.pop().unwrap_or_default();
        let Reverse(free) = free_at.pop().unwrap_or_default();
        let ends = free.max(sent) + *costs;
        free_at.push(Reverse(ends));
        sent_at.push(Reverse(ends));
        ends - sent
    };
    costs.iter().map(latency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_while_all_are_busy_waits() {
        let ms = Duration::from_millis;
        assert_eq!(latencies(2, 3, &[ms(50); 5]), [ms(50), ms(50), ms(100), ms(50), ms(100)]);
        assert_eq!(latencies(2, 1, &[ms(50); 2]), [ms(50), ms(50)], "one connection waits for nobody");
    }
}
