//! What a report takes from `run.toml`. Anything may be missing, so that runs of other versions can be read.

use crate::selfplay::prover::Prover;

/// Where the settings that people ask for first may stand, with what they are called.
const HIGHLIGHTS: &[(&str, &[&str])] = &[
    ("preset", &["settings", "preset"]),
    ("ablated", &["settings", "ablated"]),
    ("model", &["settings", "initial", "model"]),
    ("problems", &["problems"]),
    ("iterations", &["settings", "iterations"]),
    ("seed", &["settings", "seed"]),
    ("made by proofloop", &["proofloop"]),
];

/// A run that names no model there began with a small one of its own.
const INITIAL: &[&str] = &["settings", "initial"];
const NO_MODEL: &str = "nano, from random weights";

/// The k of pass@k where the settings do not say.
const KS: &[u32] = &[1, 8];

/// Settings of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// All of them, as they stand in the file; may be empty.
    pub text: String,
    /// Those that people ask for first, with their names.
    pub highlights: Vec<(String, String)>,
    /// The run's seed, which draws for intervals follow from, too.
    pub seed: u64,
    /// The k of pass@k that are reported.
    pub ks: Vec<u32>,
    /// Whose proofs they are.
    pub prover: Prover,
}

impl Default for Settings {
    fn default() -> Self {
        Self { text: String::new(), highlights: Vec::new(), seed: 0, ks: KS.to_vec(), prover: Prover::Lean }
    }
}

impl Settings {
    /// From the text of `run.toml`; whatever is not there, or not readable, is left at its default.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut settings = Self { text: text.to_owned(), ..Self::default() };
        let Ok(table) = text.parse::<toml::Table>() else { return settings };
        for (name, path) in HIGHLIGHTS {
            let without_model =
                || (*name == "model" && find(&table, INITIAL).is_some()).then(|| NO_MODEL.to_owned());
            let shown = find(&table, path).and_then(shown).or_else(without_model);
            settings.highlights.extend(shown.map(|value| ((*name).to_owned(), value)));
        }
        let number = |value: &toml::Value| value.as_integer();
        let seed = find(&table, &["settings", "seed"]).and_then(number);
        settings.seed = seed.and_then(|seed| u64::try_from(seed).ok()).unwrap_or(0);
        if let Some(ks) = find(&table, &["settings", "evaluation", "ks"]).and_then(toml::Value::as_array) {
            settings.ks = ks.iter().filter_map(|k| u32::try_from(number(k)?).ok()).collect();
        }
        if let Some(prover) = find(&table, &["settings", "prover"]) {
            settings.prover = prover.clone().try_into().unwrap_or_default();
        }
        settings
    }
}

fn find<'a>(table: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Value> {
    let (first, rest) = path.split_first()?;
    let start = table.get(*first);
    rest.iter().fold(start, |value, key| value?.get(key))
}

/// A value in a line; nothing for an empty list.
fn shown(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Array(all) if all.is_empty() => None,
        toml::Value::Array(all) => Some(all.iter().filter_map(shown).collect::<Vec<_>>().join(", ")),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Table(_) => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read() {
        let text = "format = 1\nproofloop = \"0.1.0\"\n[settings]\npreset = \"stp-paper\"\nablated = [\"elegance\", \"transport\"]\n\
                    seed = 7\n[settings.evaluation]\nks = [1, 4]\n";
        let settings = Settings::read(text);
        assert_eq!((settings.seed, settings.ks.as_slice()), (7, [1, 4].as_slice()));
        let shown: Vec<String> =
            settings.highlights.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            ["preset=stp-paper", "ablated=elegance, transport", "seed=7", "made by proofloop=0.1.0"]
        );
    }

    #[test]
    fn what_is_not_is_left_out() {
        assert_eq!(Settings::read(""), Settings::default());
        let broken = Settings::read("no = [toml");
        assert_eq!((broken.text.as_str(), broken.highlights.len()), ("no = [toml", 0));
        let nano = Settings::read("[settings.initial.sft]\nepochs = 3\n");
        assert_eq!(nano.highlights, [("model".to_owned(), NO_MODEL.to_owned())]);
        let older = Settings::read("seed = 3\n[settings]\nablated = []\nseed = -1\nevaluation = 3\n");
        assert_eq!((older.seed, older.ks.as_slice(), older.highlights.len()), (0, KS, 1));
    }
}
