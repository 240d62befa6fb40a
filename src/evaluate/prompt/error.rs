//! Why there is no prompt.

use super::settings::Task;
use std::io;
use std::path::PathBuf;

/// A family that can't be used, or a problem that it can't ask. None of it is a model's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// No family of that name is built in.
    #[error("no prompt family is called `{name}`; built in are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// One of a family's two files can't be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The settings are no TOML, or not these.
    #[error("`{file}` does not describe a prompt family")]
    Parse {
        /// The file.
        file: String,
        /// What is wrong, and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The settings contradict themselves.
    #[error("`{file}`: {problem}")]
    Settings {
        /// The file.
        file: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The template does not parse.
    #[error("the template `{template}` does not parse")]
    Template {
        /// The template.
        template: String,
        /// What is wrong, and where.
        #[source]
        source: minijinja::Error,
    },
    /// The template uses what no problem of its tasks has.
    #[error("the template `{template}` uses `{variable}`; it is given {}", known.join(", "))]
    Variable {
        /// The template.
        template: String,
        /// The variable.
        variable: String,
        /// What it could use.
        known: Vec<&'static str>,
    },
    /// The template fails for one problem.
    #[error("cannot fill in the template `{template}` for `{problem}`")]
    Render {
        /// The template.
        template: String,
        /// The problem's name.
        problem: String,
        /// What is wrong, and where.
        #[source]
        source: minijinja::Error,
    },
    /// The family does not ask such problems.
    #[error("the prompt family `{family}` is not for `{problem}`, a task of the kind `{}`", task.name())]
    OtherTask {
        /// The family.
        family: String,
        /// The problem's name.
        problem: String,
        /// What it is.
        task: Task,
    },
    /// Too few examples are given. None at all would be no error.
    #[error("the prompt family `{family}` shows {wanted} examples, but {given} are given")]
    TooFewExamples {
        /// The family.
        family: String,
        /// How many it shows.
        wanted: usize,
        /// How many there are.
        given: usize,
    },
    /// An example can't be shown.
    #[error("`{example}` can be no example: it is no task with tests and a known solution")]
    BadExample {
        /// The example's name.
        example: String,
    },
    /// The answer would stand in the prompt.
    #[error("`{problem}` would be asked behind its own solution: it is among the examples")]
    OwnExample {
        /// The problem's name.
        problem: String,
    },
    /// As a text alone, the family has no prompt.
    #[error(
        "the prompt family `{family}` is for chat APIs only: how its messages become one text is the model's own"
    )]
    ChatOnly {
        /// The family.
        family: String,
    },
}
