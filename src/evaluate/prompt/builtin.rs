//! The families that ship with us.

use serde::Deserialize;
use std::sync::LazyLock;

/// A family's two files.
pub(super) struct Files {
    pub(super) name: &'static str,
    pub(super) settings: &'static str,
    pub(super) template: &'static str,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(Files {
            name: $name,
            settings: include_str!(concat!("templates/", $name, ".toml")),
            template: include_str!(concat!("templates/", $name, ".jinja")),
        }),*]
    };
}

pub(super) const FAMILIES: &[Files] = files![
    "plain",
    "stp",
    "deepseek-prover-v1.5",
    "deepseek-prover-v1.5-cot",
    "goedel",
    "goedel-v2",
    "kimina",
    "isabelle",
    "humaneval",
    "mbpp-few-shot",
    "evalplus-instruct",
];

/// An example of our own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnExample {
    pub(super) text: String,
    pub(super) tests: Vec<String>,
    pub(super) code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnExamples {
    example: Vec<OwnExample>,
}

/// What is shown where no data set gives examples.
pub(super) static OWN_EXAMPLES: LazyLock<Vec<OwnExample>> = LazyLock::new(|| {
    let file: OwnExamples =
        toml::from_str(include_str!("templates/examples.toml")).expect("compiled in, and tested");
    file.example
});
