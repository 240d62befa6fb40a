//! How long to wait before a call is tried again.

use std::time::{Duration, SystemTime};

use super::options::Retry;

impl Retry {
    /// The wait after `failed` attempts (from 1). `random` is from [0, 1).
    pub(super) fn wait(&self, failed: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        match retry_after {
            // Others were told the same, so not all at that moment.
            Some(told) => told.min(self.retry_after_cap) + self.base.min(self.cap).mul_f64(random),
            None => {
                let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
                self.base.saturating_mul(doubled).min(self.cap).mul_f64(random)
            }
        }
    }
}

/// A number from [0, 1). Not from a seed: it changes only when something happens, and two processes with one seed should
/// not wait alike.
pub(super) fn random() -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    // Without a random source the longest wait is the safe one.
    getrandom::u64().map_or(1.0, |bits| (bits >> 11) as f64 / STEPS)
}

/// What a `Retry-After` header asks for: seconds, or a date (RFC 9110 §10.2.3). A date that has passed is no wait.
pub(super) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_cap() {
        let retry = Retry { base: SECOND, cap: 5 * SECOND, ..Retry::default() };
        let longest: Vec<Duration> = (1..=5).map(|failed| retry.wait(failed, None, 1.0)).collect();
        assert_eq!(longest, [SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND, 5 * SECOND]);
        assert_eq!(retry.wait(u32::MAX, None, 0.5), 5 * SECOND / 2);
        assert_eq!(retry.wait(3, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn what_the_server_asks_for_is_the_least_wait_up_to_its_cap() {
        let retry = Retry { base: SECOND, retry_after_cap: 60 * SECOND, ..Retry::default() };
        assert_eq!(retry.wait(4, Some(7 * SECOND), 0.0), 7 * SECOND);
        assert_eq!(retry.wait(1, Some(7 * SECOND), 0.5), 7 * SECOND + SECOND / 2);
        assert_eq!(retry.wait(1, Some(Duration::MAX), 0.0), 60 * SECOND);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let cases = [
            ("3", Some(3 * SECOND)),
            (" 0 ", Some(Duration::ZERO)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10 * SECOND)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(Duration::ZERO)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(retry_after(header, now), expected, "{header}");
        }
    }

    #[test]
    fn random_numbers_are_in_range_and_differ() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().any(|number| (number - numbers[0]).abs() > 1e-3));
    }
}
