//! What can be wrong with what the rules are given.

/// The result of everything in this module that can fail.
pub type Result<T, E = SelectError> = std::result::Result<T, E>;

/// Each variant says only what is wrong at its own layer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SelectError {
    /// A setting is out of its range.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Embeddings that are no rows of length one.
    #[error("embeddings: {problem}")]
    Embeddings {
        /// What is wrong with them.
        problem: String,
    },
    /// As many matching weights as targets are needed.
    #[error("{weights} matching weights for {targets} targets")]
    Matches {
        /// How many there are.
        weights: usize,
        /// How many there should be.
        targets: usize,
    },
}

/// Refuses what is no number from 0 to 1.
pub(super) fn share(setting: &'static str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(SelectError::Setting { setting, problem: format!("{value} is not between 0 and 1") })
}

/// Refuses what is negative or not finite.
pub(super) fn not_negative(setting: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(SelectError::Setting { setting, problem: format!("{value} is not a number from 0 up") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_closed_and_refuse_what_is_no_number() {
        share("q", 0.0).expect("0");
        share("q", 1.0).expect("1");
        let error = share("q", 1.01).expect_err("more than all");
        assert_eq!(error.to_string(), "setting `q`: 1.01 is not between 0 and 1");
        share("q", f64::NAN).expect_err("no number");
        not_negative("r", 0.0).expect("0");
        not_negative("r", -0.1).expect_err("negative");
        not_negative("r", f64::INFINITY).expect_err("not finite");
    }
}
