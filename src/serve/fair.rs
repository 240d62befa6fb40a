//! A gate that lets so many through at once and gives each client its turn.
//!
//! A client with ten thousand entries waits behind its own, not before another's one: whenever a place is free, the
//! clients that wait get it in turn. A place is given back when its [`Pass`] is dropped, and whoever gives up waiting
//! (by dropping the future) is forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Who waits, by client: plain data, tested without a runtime.
#[derive(Debug)]
struct Turns<T> {
    waiting: HashMap<String, VecDeque<T>>,
    /// Clients that wait, next one first.
    order: VecDeque<String>,
    length: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), length: 0 }
    }
}

impl<T> Turns<T> {
    fn push(&mut self, client: &str, entry: T) {
        self.length += 1;
        if let Some(queue) = self.waiting.get_mut(client) {
            queue.push_back(entry);
            return;
        }
        self.waiting.insert(client.to_owned(), VecDeque::from([entry]));
        self.order.push_back(client.to_owned());
    }

    /// The oldest entry of the client whose turn it is; its next turn comes after everybody else's.
    fn next(&mut self) -> Option<T> {
        let client = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&client)?;
        let entry = queue.pop_front()?;
        self.length -= 1;
        if queue.is_empty() {
            self.waiting.remove(&client);
        } else {
            self.order.push_back(client);
        }
        Some(entry)
    }
}

#[derive(Debug)]
struct State {
    free: usize,
    turns: Turns<oneshot::Sender<Pass>>,
    /// How long places were taken that are free again.
    busy: Duration,
    /// When the places that are taken were: the times since the gate was made, added up.
    taken_at: Duration,
}

/// The gate.
#[derive(Debug, Clone)]
pub struct Gate {
    places: usize,
    made: Instant,
    state: Arc<Mutex<State>>,
}

/// A place; dropping it gives it to whoever is next.
#[derive(Debug)]
pub struct Pass {
    /// `None` once it was given back.
    gate: Option<Gate>,
    since: Instant,
}

impl Gate {
    /// A gate with so many places, at least one.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let places = places.max(1);
        let (busy, taken_at) = (Duration::ZERO, Duration::ZERO);
        let state = State { free: places, turns: Turns::default(), busy, taken_at };
        Self { places, made: Instant::now(), state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this client's turn.
    pub async fn enter(&self, client: &str) -> Pass {
        let waiting = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return self.pass(&mut state);
            }
            let (sender, receiver) = oneshot::channel();
            state.turns.push(client, sender);
            receiver
        };
        match waiting.await {
            Ok(pass) => pass,
            // The sender is only ever dropped by being sent on.
            Err(_gone) => std::future::pending().await,
        }
    }

    fn pass(&self, state: &mut State) -> Pass {
        let since = Instant::now();
        state.taken_at += since - self.made;
        Pass { gate: Some(self.clone()), since }
    }

    /// Gives a place to the next one that still waits, or keeps it.
    fn give_back(&self, since: Instant) {
        let mut pass = {
            let mut state = self.lock();
            state.busy += since.elapsed();
            state.taken_at -= since - self.made;
            self.pass(&mut state)
        };
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.turns.next();
                if next.is_none() {
                    state.free += 1;
                    state.taken_at -= pass.since - self.made;
                }
                next
            };
            let Some(next) = next else {
                pass.gate = None;
                return;
            };
            // Outside the lock: what is sent to nobody comes back here, and what nobody takes out comes back by its drop.
            match next.send(pass) {
                Ok(()) => return,
                Err(returned) => pass = returned,
            }
        }
    }

    /// Places in all.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places
    }

    /// Places that are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.places - self.lock().free
    }

    /// Entries that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().turns.length
    }

    /// How long all places together have been taken.
    #[must_use]
    pub fn busy(&self) -> Duration {
        let state = self.lock();
        let taken = u32::try_from(self.places - state.free).unwrap_or(u32::MAX);
        state.busy + (self.made.elapsed() * taken).saturating_sub(state.taken_at)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.give_back(self.since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_turns() {
        let mut turns = Turns::default();
        for entry in ["a1", "a2", "a3", "b1", "c1", "c2"] {
            turns.push(&entry[..1], entry);
        }
        let order: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "c2", "a3"]);
        assert_eq!(turns.length, 0);
        assert!(turns.waiting.is_empty() && turns.order.is_empty());
    }

    #[tokio::test]
    async fn one_entry_does_not_wait_for_another_clients_thousand() {
        let gate = Gate::new(1);
        let first = gate.enter("flood").await;
        let (told, mut order) = tokio::sync::mpsc::channel(2000);
        for client in std::iter::repeat_n("flood", 1000).chain(["one"]) {
            let (entrance, told) = (gate.clone(), told.clone());
            let before = gate.waiting();
            tokio::spawn(async move {
                let _pass = entrance.enter(client).await;
                told.send(client).await.expect("somebody listens");
            });
            while gate.waiting() == before {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        let mut place = 0;
        while order.recv().await.expect("all get through") != "one" {
            place += 1;
        }
        assert!(place <= 1, "it came after {place} others");
    }

    #[tokio::test]
    async fn time_is_counted_while_places_are_taken() {
        let gate = Gate::new(2);
        let (first, second) = (gate.enter("a").await, gate.enter("b").await);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let both = gate.busy();
        assert!(both >= Duration::from_millis(40), "{both:?}");
        drop(first);
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { [gate.enter("c").await, gate.enter("d").await] }
        });
        while gate.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        drop(second);
        drop(waiting.await.expect("no panic"));
        let all = gate.busy();
        assert!(all >= both, "{all:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(gate.busy(), all, "nothing is counted where nothing is taken");
    }

    #[tokio::test]
    async fn who_gives_up_takes_no_place_with_him() {
        let gate = Gate::new(1);
        for _ in 0..100 {
            let held = gate.enter("a").await;
            let waiting = tokio::time::timeout(Duration::from_millis(1), gate.enter("b")).await;
            assert!(waiting.is_err());
            drop(held);
            // The sender of the one that gave up is passed over, or its pass comes back.
            drop(tokio::time::timeout(Duration::from_secs(10), gate.enter("c")).await.expect("a free place"));
        }
        assert_eq!((gate.taken(), gate.waiting()), (0, 0));
    }
}
