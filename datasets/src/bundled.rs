//! Problems of our own that are compiled in: for a machine with no data set and no network.

use crate::problem::{Problem, Split};
use crate::readers::{Format, Options, from_reader};
use std::path::Path;

/// One of our own data sets.
pub(crate) struct Bundled {
    /// What it is called, which is also its folder's name.
    pub(crate) name: &'static str,
    pub(crate) format: Format,
    /// The files of its splits `train`, `valid` and `test`.
    pub(crate) files: [&'static str; 3],
}

impl Bundled {
    pub(crate) fn jsonl(&self, split: Split) -> &'static str {
        let [train, valid, test] = self.files;
        match split {
            Split::Train => train,
            Split::Valid => valid,
            Split::Test => test,
            Split::Prompt => "",
        }
    }

    pub(crate) fn problems(&self, split: Split) -> Vec<Problem> {
        let text = self.jsonl(split);
        if text.is_empty() {
            return Vec::new();
        }
        let path = format!("{}/{split}.jsonl", self.name);
        let options = Options { source: Some(self.name.to_owned()), ..Options::default() };
        from_reader(Path::new(&path), text.as_bytes(), self.format, &options)
            .map(|problem| problem.expect("the workbooks that ship are checked line by line by the tests"))
            .collect()
    }
}
