//! Reading prompts, a block at a time: what is wrong is reported with its place, what is right goes on.

use super::super::verify::input::{open, text};
use proofloop_datasets::lines::BoundedLines;
use proofloop_datasets::readers::fields::Fields;
use proofloop_datasets::{Cause, FirstUse, Place, ReadError};
use serde_json::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// So many prompts are read, completed and written before the next ones are read: this bounds what waits for its turn.
const BLOCK: usize = 4096;

/// Where a record's name may stand.
const NAMES: [&str; 3] = ["id", "task_id", "name"];

/// A prompt with the name that its samples are written under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) prompt: String,
    /// Where it stands, for messages.
    pub(super) place: String,
}

/// A block, with what is wrong between its prompts.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) prompts: Vec<Named>,
    pub(super) bad: Vec<anyhow::Error>,
    pub(super) is_last: bool,
}

/// All prompts of the input.
pub(super) struct Prompts {
    path: PathBuf,
    source: Source,
    /// The ids that were used, with the lines of their first use.
    seen: HashMap<String, u64>,
    is_empty: bool,
}

enum Source {
    One(Option<Named>),
    Lines(BoundedLines<BufReader<Box<dyn Read + Send>>>),
}

impl Prompts {
    /// Of a file, or of one text.
    pub(super) fn open(path: Option<&Path>, prompt: Option<&str>) -> anyhow::Result<Self> {
        let path = path.map_or_else(PathBuf::new, Path::to_path_buf);
        let at = |cause| ReadError { path: path.clone(), place: Place::File, cause };
        let one = |id: &str, prompt: String, place: String| {
            Source::One(Some(Named { id: id.to_owned(), prompt, place }))
        };
        let lines = |reader: Box<dyn Read + Send>| Source::Lines(BoundedLines::new(BufReader::new(reader)));
        let source = match prompt {
            Some(prompt) => one("prompt", prompt.to_owned(), "--prompt".to_owned()),
            None if path == Path::new("-") => lines(Box::new(std::io::stdin())),
            None if path.extension().is_some_and(|extension| extension == "txt") => {
                let text = text(&path).map_err(at)?;
                let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.trim_end_matches('\r'));
                let name = path.display().to_string();
                one(&name, text.to_owned(), name.clone())
            }
            None => lines(Box::new(open(&path).map_err(at)?)),
        };
        let path = if path == Path::new("-") { PathBuf::from("<stdin>") } else { path };
        Ok(Self { path, source, seen: HashMap::new(), is_empty: true })
    }

    /// Reads the next block. Blocks.
    pub(super) fn next_block(&mut self) -> Block {
        let mut block = Block::default();
        let at = |place, cause| ReadError { path: self.path.clone(), place, cause }.into();
        match &mut self.source {
            Source::One(prompt) => {
                block.prompts.extend(prompt.take());
                block.is_last = true;
            }
            Source::Lines(lines) => {
                while block.prompts.len() + block.bad.len() < BLOCK {
                    let (number, read) = match lines.next() {
                        None => {
                            block.is_last = true;
                            break;
                        }
                        Some(Ok(line)) if line.text.trim().is_empty() => continue,
                        Some(Ok(line)) => (line.number, parse(&line.text, line.number)),
                        Some(Err(error)) => (error.number, Err(Cause::Line(error.problem))),
                    };
                    self.is_empty = false;
                    let unique = read.and_then(|(id, prompt)| match self.seen.entry(id.clone()) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(number);
                            Ok((id, prompt))
                        }
                        Entry::Occupied(first) => {
                            Err(Cause::DuplicateName { name: id, first: FirstUse::Record(*first.get()) })
                        }
                    });
                    match unique {
                        Ok((id, prompt)) => {
                            let place = format!("{}, line {number}", self.path.display());
                            block.prompts.push(Named { id, prompt, place });
                        }
                        Err(cause) => block.bad.push(at(Place::Line(number), cause)),
                    }
                }
                if block.is_last && self.is_empty {
                    block.bad.push(at(Place::File, Cause::Empty));
                }
            }
        }
        block
    }
}

fn parse(line: &str, number: u64) -> Result<(String, String), Cause> {
    let fields = Fields::parse(line)?;
    let prompt = fields.text("prompt")?.to_owned();
    let Some(name) = NAMES.into_iter().find(|name| fields.value(name).is_some()) else {
        return Ok((number.to_string(), prompt));
    };
    let id = match fields.value(name) {
        Some(Value::Number(number)) if number.is_u64() => number.to_string(),
        Some(_) | None => fields.non_empty(name)?.to_owned(),
    };
    Ok((id, prompt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_data_sets_have_them() {
        let cases = [
            (r#"{"prompt": "p"}"#, "7"),
            (r#"{"prompt": "p", "id": "a", "task_id": "b"}"#, "a"),
            (r#"{"prompt": "p", "task_id": 3, "name": "c"}"#, "3"),
            (r#"{"prompt": "p", "id": null, "name": "c"}"#, "c"),
        ];
        for (line, id) in cases {
            assert_eq!(parse(line, 7).expect(line), (id.to_owned(), "p".to_owned()));
        }
        for (line, problem) in [
            ("[]", "expected a JSON object, found a list"),
            ("{}", "field `prompt` is missing"),
            (r#"{"prompt": "", "id": ""}"#, "field `id`: it is empty"),
            (r#"{"prompt": "", "id": 1.5}"#, "field `id` must be text, found a number"),
        ] {
            assert_eq!(parse(line, 1).expect_err(line).to_string(), problem);
        }
    }
}
