//! The published formats: their names, and how a file's content tells which one it is.

use super::fields::Fields;
use super::records::{Records, decompressed};
use crate::error::{Cause, Place, ReadError};
use crate::lines::LineProblem;
use crate::problem::Split;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// So many records are looked at for one that says what the file is: a first line may be broken.
const MAX_LOOKED_AT: usize = 20;

/// A published format. Each may be gzip-compressed, which is told by the content and not by the file's name. Where a
/// record has no split of its own, [`Format::default_split`] or [`Options::split`](super::Options::split) says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Format {
    /// DeepSeek-Prover JSONL and its relatives: `name`, `split`, `formal_statement`; optional `header`,
    /// `informal_prefix`, `proof` or `formal_proof`, `topic`, `difficulty`, `source`, `license`. Without a `header`,
    /// what stands before the statement in `formal_statement` becomes the header (Goedel-Prover-V2, yangky11). Our
    /// workbook and the core-Lean files are of this format.
    LeanJsonl,
    /// LeanDojo-style JSONL (InternLM's miniF2F): `full_name`, `statement` without `:=`, `file_path`, `split`.
    LeanDojo,
    /// A `.lean` file whose theorems end in `sorry`, one or many (yangky11's miniF2F, PutnamBench's sources). What
    /// stands before a theorem, theorems taken out, is its header; the file's own folder tells the split.
    LeanFile,
    /// Lean Workbook, JSONL or one array: `id`, `natural_language_statement`, `formal_statement` that ends in
    /// `:= by sorry`, `answer`, `proof`, `status`. Rows of single tactics stand behind one another under one `id`.
    LeanWorkbook,
    /// Closed propositions, JSONL: `name`, `statement` (`∀ …, …`), as BurnQED publishes Lean Workbook and miniF2F-v2.
    LeanClosed,
    /// ProofNet's Lean 4 port: `name`, `header`, `formal_statement` that ends in `sorry`, `informal_stmt`,
    /// `informal_proof`; JSONL or one array. Also ProofNet-Verified, with `formal_stmt` and `helper`.
    ProofNet,
    /// PutnamBench JSONL: `name`, `lean4` (a whole file), `answer`, `informal_statement`, `tags`. The published answer
    /// is put in the place of `sorry`, so that one theorem remains to be proved.
    Putnam,
    /// The same file with the answers left open: where there is one, it and the proof are both asked for.
    PutnamOpen,
    /// PutnamBench's `informal/putnam.json`: words alone, and so no problems.
    PutnamWords,
    /// miniCodeProps JSONL: `full_name`, `prop_defn`, `deps`; or the port to core Lean: `name`, `header`,
    /// `formal_statement`, `score`.
    MiniCodeProps,
    /// Theorems of a library, JSONL: `name`, `file`, `imports`, `formal_statement` without `:=`, `proof`.
    Library,
    /// VERINA JSONL: `id`, `description`, `lean` with its `!benchmark` marks, `proof`, `proof_aux`. Asked for is the proof
    /// that the published program does what its specification says.
    Verina,
    /// Vericoding JSONL: `id`, `vc-preamble`, `vc-helpers`, `vc-definitions`, `vc-theorems`, `vc-postamble`.
    Vericoding,
    /// human-eval-lean JSONL: `id`, `lean` (a whole file), `theorems`, `imports`. Asked for is a file's last theorem.
    HumanEvalLean,
    /// miniF2F in Isabelle, JSONL: `name`, `split`, `imports`, `theory`, `formal_statement`, `informal`.
    Isabelle,
    /// Our own programming tasks, JSONL: `name`, `entry_point`, `prompt`, `tests`, `hidden_tests`; optional `split`, `topic`,
    /// `difficulty`, `canonical_solution`. The programming workbook and the planted tasks are of this format.
    Functions,
    /// human-eval JSONL: `task_id`, `prompt`, `entry_point`, `canonical_solution`, `test`.
    HumanEval,
    /// HumanEval+ and MBPP+ JSONL: `task_id`, `prompt`, `entry_point`, `canonical_solution`, `base_input`, `plus_input`,
    /// `atol`, `contract`.
    EvalPlus,
    /// MBPP JSONL: `task_id`, `text`, `code`, `test_list`, `test_setup_code`, `challenge_test_list`.
    Mbpp,
    /// MBPP sanitized, one JSON array or JSONL: `task_id`, `prompt`, `code`, `test_list`, `test_imports`.
    MbppSanitized,
    /// APPS JSONL: `problem_id` or `id`, `question`, `input_output`, `solutions`, `starter_code`, `difficulty`.
    Apps,
    /// Our own JSONL: a whole [`Problem`](crate::Problem) for each line.
    Problem,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::LeanJsonl,
        Self::LeanDojo,
        Self::LeanFile,
        Self::LeanWorkbook,
        Self::LeanClosed,
        Self::ProofNet,
        Self::Putnam,
        Self::PutnamOpen,
        Self::PutnamWords,
        Self::MiniCodeProps,
        Self::Library,
        Self::Verina,
        Self::Vericoding,
        Self::HumanEvalLean,
        Self::Isabelle,
        Self::Functions,
        Self::HumanEval,
        Self::EvalPlus,
        Self::Mbpp,
        Self::MbppSanitized,
        Self::Apps,
        Self::Problem,
    ];

    /// The stable name, for command lines and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LeanJsonl => "lean-jsonl",
            Self::LeanDojo => "lean-dojo",
            Self::LeanFile => "lean-file",
            Self::LeanWorkbook => "lean-workbook",
            Self::LeanClosed => "lean-closed",
            Self::ProofNet => "proofnet",
            Self::Putnam => "putnam",
            Self::PutnamOpen => "putnam-open",
            Self::PutnamWords => "putnam-words",
            Self::MiniCodeProps => "minicodeprops",
            Self::Library => "library",
            Self::Verina => "verina",
            Self::Vericoding => "vericoding",
            Self::HumanEvalLean => "human-eval-lean",
            Self::Isabelle => "isabelle",
            Self::Functions => "functions",
            Self::HumanEval => "humaneval",
            Self::EvalPlus => "evalplus",
            Self::Mbpp => "mbpp",
            Self::MbppSanitized => "mbpp-sanitized",
            Self::Apps => "apps",
            Self::Problem => "problem",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What a record belongs to that names no split: `train` for what is made to learn from, otherwise `test`, the
    /// careful choice.
    #[must_use]
    pub fn default_split(self) -> Split {
        match self {
            Self::LeanWorkbook | Self::LeanClosed | Self::Library => Split::Train,
            Self::LeanJsonl
            | Self::LeanDojo
            | Self::LeanFile
            | Self::ProofNet
            | Self::Putnam
            | Self::PutnamOpen
            | Self::PutnamWords
            | Self::MiniCodeProps
            | Self::Verina
            | Self::Vericoding
            | Self::HumanEvalLean
            | Self::Isabelle
            | Self::Functions
            | Self::HumanEval
            | Self::EvalPlus
            | Self::Mbpp
            | Self::MbppSanitized
            | Self::Apps
            | Self::Problem => Split::Test,
        }
    }

    /// Tells the format of a file by its content (and of a `.lean` file by its name).
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be opened, holds nothing, or is of no format with a reader.
    pub fn detect(path: &Path) -> Result<Self, ReadError> {
        let fail = |cause| ReadError { path: path.to_owned(), place: Place::File, cause };
        let file = File::open(path).map_err(|error| fail(Cause::Open(error)))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(fail(Cause::Directory));
        }
        if path.extension().is_some_and(|extension| extension == "lean") {
            return Ok(Self::LeanFile);
        }
        Self::detect_in(BufReader::new(file)).map_err(fail)
    }

    /// Tells the format of a text by its first records.
    ///
    /// # Errors
    /// As [`Format::detect`].
    pub fn detect_in(reader: impl BufRead + Send + 'static) -> Result<Self, Cause> {
        let mut reader = decompressed(reader).map_err(LineProblem::Io)?;
        let mut records =
            if is_array(&mut reader)? { Records::array(reader) } else { Records::lines(reader) };
        let mut first_problem = None;
        for _record in 0..MAX_LOOKED_AT {
            let Some((_, record)) = records.next() else { break };
            match record.and_then(|fields| Self::of_record(&fields)) {
                Ok(format) => return Ok(format),
                Err(cause) => {
                    first_problem.get_or_insert(cause);
                }
            }
        }
        match first_problem {
            None => Err(Cause::Empty),
            Some(cause @ (Cause::UnknownFormat { .. } | Cause::Line(_) | Cause::FileTooLong { .. })) => {
                Err(cause)
            }
            Some(_) => Err(Cause::UnknownFormat { what: "it is neither JSONL nor a JSON array".to_owned() }),
        }
    }

    /// The format whose fields a record has.
    fn of_record(fields: &Fields) -> Result<Self, Cause> {
        let has = |names: &[&str]| names.iter().all(|name| fields.has(name));
        let known: [(&[&str], Self); 22] = [
            (&["kind", "name", "source", "split"], Self::Problem),
            (&["base_input", "entry_point"], Self::EvalPlus),
            (&["name", "entry_point", "tests"], Self::Functions),
            (&["lean", "theorems"], Self::HumanEvalLean),
            (&["lean", "postcond"], Self::Verina),
            (&["vc-theorems"], Self::Vericoding),
            (&["theory", "formal_statement"], Self::Isabelle),
            (&["lean4", "name"], Self::Putnam),
            (&["prop_defn"], Self::MiniCodeProps),
            (&["problem_name", "informal_solution"], Self::PutnamWords),
            (&["informal_stmt", "name"], Self::ProofNet),
            (&["natural_language_statement"], Self::LeanWorkbook),
            (&["full_name", "statement"], Self::LeanDojo),
            (&["task_id", "entry_point", "test"], Self::HumanEval),
            (&["task_id", "text", "test_list"], Self::Mbpp),
            (&["task_id", "prompt", "test_list"], Self::MbppSanitized),
            (&["question", "input_output"], Self::Apps),
            (&["name", "formal_statement", "split"], Self::LeanJsonl),
            (&["name", "formal_statement", "tactic_proof"], Self::Library),
            (&["name", "formal_statement", "score"], Self::MiniCodeProps),
            (&["name", "formal_statement"], Self::LeanJsonl),
            (&["name", "statement"], Self::LeanClosed),
        ];
        let found = known.iter().find(|(names, _)| has(names)).map(|(_, format)| *format);
        found.ok_or_else(|| Cause::UnknownFormat { what: unknown(fields) })
    }
}

impl From<Format> for String {
    fn from(format: Format) -> Self {
        format.name().to_owned()
    }
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| format!("`{name}` is no format"))
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What files are that look like problems and are none.
fn unknown(fields: &Fields) -> String {
    let foreign: [(&[&str], &str); 5] = [
        (&["task_id", "completion"], "samples of a model (`task_id`, `completion`), not problems"),
        (&["task_id", "solution"], "samples of a model (`task_id`, `solution`), not problems"),
        (&["deepseek_v15", "goedel_v2"], "pairs of statements (`deepseek_v15`, `goedel_v2`), not problems"),
        (&["src_header", "nl_statement"], "ProofNet for Lean 3, which nothing here can check"),
        (&["target_statements"], "a pool of self-play, not problems"),
    ];
    let has = |names: &[&str]| names.iter().all(|name| fields.has(name));
    match foreign.iter().find(|(names, _)| has(names)) {
        Some((_, what)) => (*what).to_owned(),
        None => format!("records with the fields {}", fields.listed()),
    }
}

/// Whether a JSON array begins; nothing is consumed. A file that begins with a buffer full of blanks is none.
pub(super) fn is_array(reader: &mut impl BufRead) -> Result<bool, Cause> {
    let buffer = reader.fill_buf().map_err(LineProblem::Io)?;
    let is_skipped = |byte: &u8| byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(byte);
    Ok(buffer.iter().find(|byte| !is_skipped(byte)) == Some(&b'['))
}
