//! How much of one client is let in: items under way, and items a second.

use super::error::ServeError;
use super::settings::ServeSettings;
use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Limiter = RateLimiter<String, HashMapStateStore<String>, DefaultClock>;

/// Above this many clients, those that have been quiet long enough are forgotten.
const REMEMBERED_CLIENTS: usize = 10_000;

/// Who is let in.
pub struct Admission {
    client_items: usize,
    batch_items: usize,
    limiter: Option<Limiter>,
    under_way: Arc<Mutex<HashMap<String, usize>>>,
    draining: AtomicBool,
}

/// Items that were let in; dropped when they are answered.
#[derive(Debug)]
pub struct Admitted {
    client: String,
    items: usize,
    under_way: Arc<Mutex<HashMap<String, usize>>>,
}

impl Admission {
    /// By these settings.
    #[must_use]
    pub fn new(settings: &ServeSettings) -> Self {
        // The burst is one whole batch, so that a request that is within the limits can get in at all.
        let burst =
            u32::try_from(settings.batch_items).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let quota = settings
            .client_rate
            .and_then(NonZeroU32::new)
            .map(|rate| Quota::per_second(rate).allow_burst(burst.max(rate)));
        Self {
            client_items: settings.client_items,
            batch_items: settings.batch_items,
            limiter: quota.map(RateLimiter::hashmap),
            under_way: Arc::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// Lets a request with so many items in.
    ///
    /// # Errors
    /// [`ServeError::Draining`], [`ServeError::TooLarge`] for a batch beyond the limit, [`ServeError::TooMany`].
    pub fn admit(&self, client: &str, items: usize) -> Result<Admitted, ServeError> {
        if self.is_draining() {
            return Err(ServeError::Draining);
        }
        if items > self.batch_items {
            let limit = self.batch_items;
            return Err(ServeError::Invalid(format!("{items} items in one request: at most {limit} may be")));
        }
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let before = under_way.get(client).copied().unwrap_or_default();
        if before > 0 && before + items > self.client_items {
            let why = format!("{before} items of yours are under way: at most {} may be", self.client_items);
            return Err(ServeError::TooMany { why, retry_after: Duration::from_secs(1) });
        }
        self.within_rate(client, items)?;
        *under_way.entry(client.to_owned()).or_default() += items;
        Ok(Admitted { client: client.to_owned(), items, under_way: Arc::clone(&self.under_way) })
    }

    fn within_rate(&self, client: &str, items: usize) -> Result<(), ServeError> {
        let count = u32::try_from(items).ok().and_then(NonZeroU32::new);
        let (Some(limiter), Some(count)) = (&self.limiter, count) else { return Ok(()) };
        if limiter.len() > REMEMBERED_CLIENTS {
            limiter.retain_recent();
        }
        match limiter.check_key_n(&client.to_owned(), count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(too_fast)) => Err(ServeError::TooMany {
                why: "more items a second than a client may submit".to_owned(),
                retry_after: too_fast.wait_time_from(DefaultClock::default().now()),
            }),
            Err(never) => Err(ServeError::Invalid(format!("{items} items in one request: {never}"))),
        }
    }

    /// From now on nobody is let in.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether nobody is let in any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Items under way, of all clients.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(items) = under_way.get_mut(&self.client) {
            *items -= self.items.min(*items);
            if *items == 0 {
                under_way.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ServeSettings {
        ServeSettings { batch_items: 10, client_items: 15, ..ServeSettings::new("/nowhere".into()) }
    }

    #[test]
    fn items_are_counted_until_they_are_answered() {
        let admission = Admission::new(&settings());
        let first = admission.admit("a", 10).expect("within the limits");
        assert!(matches!(admission.admit("a", 6), Err(ServeError::TooMany { .. })));
        let other = admission.admit("b", 10).expect("another client");
        assert_eq!(admission.under_way(), 20);
        drop((first, other));
        drop(admission.admit("a", 10).expect("within the limits again"));
        assert_eq!(admission.under_way(), 0);
    }

    #[test]
    fn a_batch_beyond_the_limit_and_a_server_that_stops() {
        let admission = Admission::new(&settings());
        assert!(matches!(admission.admit("a", 11), Err(ServeError::Invalid(_))));
        admission.drain();
        assert!(matches!(admission.admit("a", 1), Err(ServeError::Draining)));
    }

    #[test]
    fn a_client_that_is_too_fast_hears_when_to_come_back() {
        let admission = Admission::new(&ServeSettings { client_rate: Some(1), ..settings() });
        drop(admission.admit("a", 10).expect("a whole batch"));
        let Err(ServeError::TooMany { retry_after, .. }) = admission.admit("a", 5) else {
            panic!("five more are too many");
        };
        assert!(
            retry_after > Duration::from_secs(3) && retry_after <= Duration::from_secs(5),
            "{retry_after:?}"
        );
        drop(admission.admit("b", 5).expect("another client is not concerned"));
    }
}
