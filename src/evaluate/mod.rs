//! How well a prover does on held-out problems, and how sure one can be of it.

pub mod statistics;
