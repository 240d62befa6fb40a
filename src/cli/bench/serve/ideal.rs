//! An ideal server: so many workers, turns in the order of arrival, and nothing costs time but the items themselves.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Latencies at an ideal server, for requests that arrive in this order at these times and cost so much.
pub(super) fn latencies(workers: usize, requests: &[(Duration, Duration)]) -> Vec<Duration> {
    let mut free_at: BinaryHeap<_> = std::iter::repeat_n(Reverse(Duration::ZERO), workers.max(1)).collect();
    let latency = |&(arrives, costs): &(Duration, Duration)| {
        let Reverse(free) = free_at.pop().unwrap_or_default();
        let ends = free.max(arrives) + costs;
        free_at.push(Reverse(ends));
        ends - arrives
    };
    requests.iter().map(latency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_while_all_are_busy_waits() {
        let ms = Duration::from_millis;
        let requests = [(ms(0), ms(50)), (ms(0), ms(50)), (ms(10), ms(50)), (ms(200), ms(50))];
        assert_eq!(latencies(2, &requests), [ms(50), ms(50), ms(90), ms(50)]);
    }
}
