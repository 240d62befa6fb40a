//! Our own form: a whole problem in one object.

use super::fields::Fields;
use crate::error::Cause;
use crate::problem::Problem;

pub(super) fn problem(fields: &Fields) -> Result<Problem, Cause> {
    fields.non_empty("name")?;
    fields.parsed().map_err(|error| Cause::InvalidJson { detail: error.to_string() })
}
