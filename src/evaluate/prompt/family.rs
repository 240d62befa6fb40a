//! A family of prompts: two files, read and checked once.

use super::answer::{self, Extracted, NoAnswer};
use super::builtin::{FAMILIES, OWN_EXAMPLES};
use super::error::PromptError;
use super::settings::{FewShot, Settings, Task};
use super::variables::{self, EXAMPLES, Example};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use proofloop_datasets::Problem;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How a family of models is asked, and how its answers are read.
#[derive(Debug, Clone)]
pub struct PromptFamily {
    settings: Settings,
    /// The template's name in `environment`, which errors show.
    template: String,
    environment: Environment<'static>,
    fingerprint: String,
}

/// What a prompt may show besides its problem.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// Solved problems, as MBPP's first ten are meant to be. A family takes as many of them as it shows; where there are
    /// none, it shows examples of ours.
    pub few_shot: &'a [Problem],
}

/// A prompt for a chat API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages<'a> {
    /// Comes first.
    pub system: Option<&'a str>,
    /// The question.
    pub user: String,
}

impl PromptFamily {
    /// The names of the families that are built in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|files| files.name)
    }

    /// A family that is built in.
    ///
    /// # Errors
    /// [`PromptError::Unknown`] if there is none of that name.
    pub fn builtin(name: &str) -> Result<Self, PromptError> {
        let files = FAMILIES
            .iter()
            .find(|files| files.name == name)
            .ok_or_else(|| PromptError::Unknown { name: name.to_owned(), known: Self::names().collect() })?;
        Self::parse(&format!("{name}.toml"), files.settings, &format!("{name}.jinja"), files.template)
    }

    /// A user's family: `path` is its TOML file, and the template lies beside it, with the ending `jinja`.
    ///
    /// # Errors
    /// If a file can't be read, says something else, or its template uses what it is not given.
    pub fn from_file(path: &Path) -> Result<Self, PromptError> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| PromptError::Read { path: path.to_owned(), source })
        };
        let template = path.with_extension("jinja");
        let text = |path: &Path| path.display().to_string();
        Self::parse(&text(path), &read(path)?, &text(&template), &read(&template)?)
    }

    /// The one that is built in under this name, or the one whose TOML file this is.
    ///
    /// # Errors
    /// Those of [`Self::from_file`], and [`PromptError::Unknown`] for a name that is neither.
    pub fn named(name_or_path: &str) -> Result<Self, PromptError> {
        let path = Path::new(name_or_path);
        if path.extension().is_some_and(|extension| extension == "toml") {
            Self::from_file(path)
        } else {
            Self::builtin(name_or_path)
        }
    }

    fn parse(
        file: &str,
        settings_text: &str,
        template: &str,
        template_text: &str,
    ) -> Result<Self, PromptError> {
        let settings: Settings = toml::from_str(settings_text)
            .map_err(|error| PromptError::Parse { file: file.to_owned(), source: Box::new(error) })?;
        if let Some(problem) = settings.problem() {
            return Err(PromptError::Settings { file: file.to_owned(), problem });
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // A prompt is no markup: `<` is `<`, whatever the file is called.
        environment.set_auto_escape_callback(|_name| AutoEscape::None);
        environment
            .add_template_owned(template.to_owned(), template_text.to_owned())
            .map_err(|source| PromptError::Template { template: template.to_owned(), source })?;
        let fingerprint = blake3::hash(format!("{settings_text}\0{template_text}").as_bytes()).to_hex();
        let family = Self {
            settings,
            template: template.to_owned(),
            environment,
            fingerprint: fingerprint.to_string(),
        };
        family.check_variables()?;
        Ok(family)
    }

    /// What a template is never given is told before the first problem.
    fn check_variables(&self) -> Result<(), PromptError> {
        let mut known: Vec<&'static str> =
            self.settings.tasks.iter().flat_map(|task| variables::names(*task)).copied().collect();
        known.extend(self.settings.few_shot.as_ref().map(|_| EXAMPLES));
        let template = self
            .environment
            .get_template(&self.template)
            .map_err(|source| PromptError::Template { template: self.template.clone(), source })?;
        let used: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        let is_given = |variable: &String| {
            known.contains(&variable.as_str())
                || self.environment.globals().any(|(global, _)| global == variable)
        };
        match used.into_iter().find(|variable| !is_given(variable)) {
            None => Ok(()),
            Some(variable) => Err(PromptError::Variable { template: self.template.clone(), variable, known }),
        }
    }

    /// What its TOML file says.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How it is asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Strings that end an answer, see [`Settings::stop`].
    #[must_use]
    pub fn stop(&self) -> &[String] {
        &self.settings.stop
    }

    /// Tells this version of the family from any other: the hash of both files, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The message that comes before the question, if its prompts are messages of a chat and have one.
    #[must_use]
    pub fn system(&self) -> Option<&str> {
        self.settings.chat.as_ref().and_then(|chat| chat.system.as_deref())
    }

    /// Whether its prompts are messages of a chat.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        self.settings.chat.is_some()
    }

    /// The prompt as one text, for a model that goes on with it: the messages of a chat in the model's own format.
    ///
    /// # Errors
    /// Those of [`Self::messages`], and [`PromptError::ChatOnly`] if there is no such text.
    pub fn render(&self, problem: &Problem, context: &Context<'_>) -> Result<String, PromptError> {
        let text = self.fill_in(problem, context)?;
        let Some(chat) = &self.settings.chat else { return Ok(text) };
        let format =
            chat.format.ok_or_else(|| PromptError::ChatOnly { family: self.settings.name.clone() })?;
        Ok(format.text(chat.system.as_deref(), &text))
    }

    /// The prompt for a chat API, which knows the model's format itself. What is meant to be continued becomes the user's
    /// message as it is.
    ///
    /// # Errors
    /// If the problem is of another kind, an example can't be shown, or the template fails.
    pub fn messages(&self, problem: &Problem, context: &Context<'_>) -> Result<Messages<'_>, PromptError> {
        let user = self.fill_in(problem, context)?;
        Ok(Messages { system: self.system(), user })
    }

    fn fill_in(&self, problem: &Problem, context: &Context<'_>) -> Result<String, PromptError> {
        let task = Task::of(problem);
        if !self.settings.tasks.contains(&task) {
            let (family, problem) = (self.settings.name.clone(), problem.name.clone());
            return Err(PromptError::OtherTask { family, problem, task });
        }
        let few_shot = self.settings.few_shot.as_ref();
        let examples = few_shot.map(|few_shot| self.examples(few_shot, problem, context)).transpose()?;
        let values = variables::of(problem, examples.as_deref());
        let filled_in =
            self.environment.get_template(&self.template).and_then(|template| template.render(values));
        filled_in.map_err(|source| PromptError::Render {
            template: self.template.clone(),
            problem: problem.name.clone(),
            source,
        })
    }

    fn examples<'a>(
        &self,
        few_shot: &FewShot,
        problem: &Problem,
        context: &Context<'a>,
    ) -> Result<Vec<Example<'a>>, PromptError> {
        let wanted = few_shot.count.get();
        if context.few_shot.is_empty() {
            let own = OWN_EXAMPLES.iter().map(|own| Example {
                text: &own.text,
                tests: &own.tests,
                code: &own.code,
            });
            return self.enough(own.take(wanted).collect(), wanted);
        }
        let by_name = |name: &String| context.few_shot.iter().find(|example| example.name == *name);
        let named: Vec<&Problem> = few_shot.names.iter().filter_map(by_name).collect();
        let chosen =
            if named.len() == wanted { named } else { context.few_shot.iter().take(wanted).collect() };
        if chosen.iter().any(|example| example.content_hash() == problem.content_hash()) {
            return Err(PromptError::OwnExample { problem: problem.name.clone() });
        }
        let examples = chosen.into_iter().map(Example::of).collect::<Result<Vec<_>, _>>()?;
        self.enough(examples, wanted)
    }

    fn enough<'a>(&self, examples: Vec<Example<'a>>, wanted: usize) -> Result<Vec<Example<'a>>, PromptError> {
        let given = examples.len();
        if given == wanted {
            return Ok(examples);
        }
        Err(PromptError::TooFewExamples { family: self.settings.name.clone(), wanted, given })
    }

    /// What a model's text answers to a problem of this family. `completion` is what it wrote behind the prompt,
    /// whether or not it was cut at a stop string.
    ///
    /// # Errors
    /// The text holds no answer: the sample has failed.
    pub fn extract(&self, problem: &Problem, completion: &str) -> Result<Extracted, NoAnswer> {
        answer::read(&self.settings, problem, completion)
    }
}

#[cfg(test)]
#[path = "family_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "golden_tests.rs"]
mod golden_tests;
