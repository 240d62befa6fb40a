//! Formats in small samples of our own: what each becomes, that each is told by its content, and that a bad record costs
//! nothing but itself.

mod samples;

use proofloop_datasets::readers::{self, Format, Options};
use proofloop_datasets::{
    CallCase, Cause, ContentHash, IoCase, Kind, LeanGaps, LeanProblem, Problem, PythonProblem, ReadError,
    Split,
};
use samples::SAMPLES;
use std::collections::HashSet;
use std::path::Path;

fn read_as(path: &str, text: &str, format: Format) -> Vec<Result<Problem, ReadError>> {
    let reader = std::io::Cursor::new(text.as_bytes().to_vec());
    let options = Options { split: None, ..Options::default() };
    readers::from_reader(Path::new(path), reader, format, &options).collect()
}

fn sample(format: Format) -> Vec<Problem> {
    let (path, _, text) = SAMPLES.iter().find(|(_, of, _)| *of == format).expect("a sample");
    read_as(path, text, format).into_iter().map(|problem| problem.expect(path)).collect()
}

fn one(format: Format) -> Problem {
    sample(format).remove(0)
}

fn lean(problem: &Problem) -> &LeanProblem {
    match &problem.kind {
        Kind::Lean(lean) => lean,
        Kind::LeanGaps(_) | Kind::Isabelle(_) | Kind::Python(_) => panic!("{problem:?}"),
    }
}

#[test]
fn every_format_but_one_has_a_sample_that_is_told_by_its_content() {
    for (path, format, text) in SAMPLES {
        if *format != Format::LeanFile {
            let found = Format::detect_in(std::io::Cursor::new(text.as_bytes().to_vec()));
            assert_eq!(found.ok(), Some(*format), "{path}");
            // A broken record before it does not hide it.
            if !text.starts_with('[') {
                let behind = format!("{{\"a\":\n\n{text}");
                let found = Format::detect_in(std::io::Cursor::new(behind.into_bytes()));
                assert_eq!(found.ok(), Some(*format), "{path}");
            }
        }
        let problems = read_as(path, text, *format);
        assert!(problems.iter().all(Result::is_ok), "{path}: {problems:?}");
    }
    let covered: HashSet<Format> = SAMPLES.iter().map(|(_, format, _)| *format).collect();
    let missing: Vec<Format> = Format::ALL.into_iter().filter(|format| !covered.contains(format)).collect();
    // The one is the same file as `putnam`, the other has no problems.
    assert_eq!(missing, [Format::PutnamOpen, Format::PutnamWords]);
}

#[test]
fn formats_have_names_that_lead_back() {
    let names: HashSet<&str> = Format::ALL.into_iter().map(Format::name).collect();
    assert_eq!(names.len(), Format::ALL.len());
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
        let json = serde_json::to_string(&format).expect("JSON");
        assert_eq!(serde_json::from_str::<Format>(&json).ok(), Some(format));
    }
    assert_eq!(Format::from_name("lean"), None);
    assert!(serde_json::from_str::<Format>("\"lean\"").is_err());
}

#[test]
fn what_is_no_format_is_said_by_name() {
    let said = |text: &str| {
        Format::detect_in(std::io::Cursor::new(text.as_bytes().to_vec())).expect_err(text).to_string()
    };
    for (text, expected) in [
        ("", "the file holds no record"),
        ("[]", "the file holds no record"),
        (
            "{\"task_id\":1,\"completion\":\"\"}",
            "no reader for it: samples of a model (`task_id`, `completion`), not problems",
        ),
        (
            "{\"id\":1,\"src_header\":\"\",\"nl_statement\":\"\"}",
            "no reader for it: ProofNet for Lean 3, which nothing here can check",
        ),
        ("{\"x\":1,\"y\":2}", "no reader for it: records with the fields `x`, `y`"),
        ("{}", "no reader for it: records with the fields (none)"),
        ("hello\nworld\n", "no reader for it: it is neither JSONL nor a JSON array"),
        ("[1, 2]", "no reader for it: it is neither JSONL nor a JSON array"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn bare_lean_statements_get_the_header_of_the_field() {
    let dojo = one(Format::LeanDojo);
    assert_eq!((dojo.name.as_str(), dojo.split), ("two_is_even", Split::Valid));
    assert_eq!(lean(&dojo).statement, "theorem two_is_even (n : ℕ) (h₀ : n = 2) : Even n := by");
    assert_eq!(lean(&dojo).header, readers::MATHLIB_HEADER);
    let closed = one(Format::LeanClosed);
    assert_eq!(lean(&closed).statement, "theorem plus_1 : ∀ a b : ℝ, a + b = b + a := by");
    assert_eq!(closed.split, Split::Train);
    let workbook = sample(Format::LeanWorkbook);
    assert_eq!(lean(&workbook[0]).statement, "theorem lean_workbook_7 (a : ℝ) : 0 ≤ a ^ 2  := by");
    assert_eq!(workbook[0].informal, "/-- Squares are not negative. -/\n");
    assert_eq!(workbook[0].known.as_deref(), Some("\n  positivity"));
    assert_eq!((workbook[1].name.as_str(), workbook[1].known.as_deref()), ("lean_workbook_8", None));
    let options = Options { header: Some("import A\n".to_owned()), ..Options::default() };
    let text = SAMPLES.iter().find(|(_, format, _)| *format == Format::LeanClosed).expect("a sample").2;
    let mut read = readers::from_reader(Path::new("a"), text.as_bytes(), Format::LeanClosed, &options);
    assert_eq!(lean(&read.next().expect("one").expect("sound")).header, "import A\n");
}

#[test]
fn proofnet_takes_both_spellings_and_finished_proofs_only() {
    let problems = sample(Format::ProofNet);
    assert_eq!(lean(&problems[0]).statement, "theorem exercise_1_1 (x : ℝ) :\n  x = x := by");
    assert_eq!(lean(&problems[0]).header, "import Mathlib\n\nopen Real\n\n");
    assert_eq!(
        (problems[0].known.as_deref(), problems[0].metadata.origin.as_deref()),
        (Some("\n  rfl"), Some("Rudin"))
    );
    assert_eq!(lean(&problems[1]).header, "import Mathlib\n\ndef f := 1\n\n");
    assert_eq!(problems[1].known, None);
}

#[test]
fn a_putnam_answer_is_filled_in_or_left_open_and_never_given_away() {
    let problems = sample(Format::Putnam);
    assert_eq!(
        lean(&problems[0]).header,
        "import Mathlib\n\nopen Nat\n\nabbrev putnam_1_solution : ℕ := fun_of 3 + 1\n\n"
    );
    assert_eq!(lean(&problems[0]).statement, "theorem putnam_1 (n : ℕ) :\n  n = putnam_1_solution := by");
    assert_eq!(problems[0].informal, "/--\nFind it.\n-/\n");
    assert_eq!(lean(&problems[1]).header, "import Mathlib\n\n");
    assert_eq!(problems[1].informal, "/-- Show that. -/\n");
    let (path, _, text) = SAMPLES.iter().find(|(_, format, _)| *format == Format::Putnam).expect("a sample");
    let open: Vec<Problem> =
        read_as(path, text, Format::PutnamOpen).into_iter().map(|problem| problem.expect("sound")).collect();
    let Kind::LeanGaps(LeanGaps { header, text }) = &open[0].kind else { panic!("{open:?}") };
    assert_eq!(header, "import Mathlib\n\nopen Nat\n\n");
    assert_eq!(
        text,
        "abbrev putnam_1_solution : ℕ := sorry\n\ntheorem putnam_1 (n : ℕ) :\n  n = putnam_1_solution := by\n  sorry\n"
    );
    assert_eq!(open[0].known.as_deref(), Some("fun_of 3 + 1"));
    assert_eq!(open[1], problems[1]);
}

#[test]
fn lean_files_give_each_theorem_its_header_and_its_folder_the_split() {
    let problems = sample(Format::LeanFile);
    assert_eq!(problems.iter().map(|problem| problem.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert!(problems.iter().all(|problem| problem.split == Split::Valid));
    assert_eq!(lean(&problems[1]).statement, "theorem two : helper = 2 := by");
    assert!(
        lean(&problems[1]).header.contains("theorem known") && !lean(&problems[1]).header.contains("sorry")
    );
}

#[test]
fn a_verina_task_asks_for_the_proof_without_the_published_lemmas() {
    let problem = one(Format::Verina);
    let LeanProblem { header, statement } = lean(&problem);
    assert!(
        header.contains("def inc (n : Nat)") && !header.contains("benchmark") && !header.contains("lemma")
    );
    assert_eq!(statement, "theorem inc_spec_satisfied (n : Nat) :\n    inc_postcond n (inc n) := by");
    assert_eq!(problem.known, None, "it rests on a lemma that is not given");
}

#[test]
fn a_vericoding_task_asks_for_program_and_proofs() {
    let problem = one(Format::Vericoding);
    let Kind::LeanGaps(LeanGaps { header, text }) = &problem.kind else { panic!("{problem:?}") };
    assert_eq!(header, "def Ok (n : Nat) : Prop := n > 0\n\n");
    assert_eq!(text, "def f : Nat :=\n  sorry\n\ntheorem f_ok : Ok f := by\n  sorry\n\n");
    let (_, _, line) = SAMPLES.iter().find(|(_, format, _)| *format == Format::Vericoding).expect("a sample");
    let refused = |line: String| {
        let error = read_as("x", &line, Format::Vericoding).remove(0).expect_err("refused");
        let Cause::NoProblem { why } = error.cause else { panic!("{error}: {}", error.cause) };
        why
    };
    assert_eq!(refused(line.replace("false", "true")), "its specification declares an axiom");
    assert_eq!(
        refused(line.replace("theorem f_ok : Ok f := by\\n  sorry", "")),
        "it leaves no theorem to be proved, so that any program would do"
    );
}

#[test]
fn human_eval_lean_asks_for_the_last_theorem() {
    let problem = one(Format::HumanEvalLean);
    let LeanProblem { header, statement } = lean(&problem);
    assert!(header.ends_with("theorem lemma_1 : f 1 = 2 := rfl\n\n"), "{header}");
    assert_eq!(statement, "@[simp]\ntheorem f_gt {n : Nat}\n    (h : 0 < n) : n < f n :=");
    assert_eq!(problem.known.as_deref(), Some(" by\n  simp [f]"));
    let (_, _, line) =
        SAMPLES.iter().find(|(_, format, _)| *format == Format::HumanEvalLean).expect("a sample");
    for (from, to, why) in [
        ("\"theorems\":[\"lemma_1\",\"f_gt\"]", "\"theorems\":[]", "its file has no theorem"),
        (
            "\"imports\":[\"Std\"]",
            "\"imports\":[\"HumanEvalLean.Common\"]",
            "it imports `HumanEvalLean.Common`",
        ),
        ("2 := rfl", "2 := sorry", "what it builds on is not proved"),
    ] {
        let error = read_as("x", &line.replace(from, to), Format::HumanEvalLean).remove(0).expect_err(why);
        assert!(error.cause.to_string().starts_with(&format!("it is no problem: {why}")), "{}", error.cause);
    }
}

#[test]
fn library_theorems_and_properties_end_where_a_proof_begins() {
    let problems = sample(Format::Library);
    assert_eq!(
        lean(&problems[0]).statement,
        "theorem a_b [Ord α] (cmp : α → α → Ordering := compare) :\n    p cmp :="
    );
    assert_eq!(problems[0].known.as_deref(), Some(" by\n  simp"));
    assert_eq!(lean(&problems[0]).header, "import Batteries.A\nimport Batteries.B\n");
    let properties = sample(Format::MiniCodeProps);
    assert_eq!(lean(&properties[0]).statement, "theorem prop_01 (n: Nat) :\n n = n:= by");
    assert_eq!(lean(&properties[0]).header, "import Mathlib\ndef g := 1\n\n");
    assert_eq!((lean(&properties[1]).header.as_str(), properties[1].metadata.difficulty), ("", Some(5)));
}

#[test]
fn an_isabelle_statement_ends_before_its_proof() {
    let problems = sample(Format::Isabelle);
    let parts = |problem: &Problem| match &problem.kind {
        Kind::Isabelle(isabelle) => isabelle.clone(),
        Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Python(_) => panic!("{problem:?}"),
    };
    assert_eq!(
        parts(&problems[0]).statement,
        "theorem t1:\n  fixes x :: nat\n  assumes \"x = by\"\n  shows \"x = x\""
    );
    assert_eq!(parts(&problems[0]).imports, ["Complex_Main", "HOL-Number_Theory.Number_Theory"]);
    assert_eq!((problems[0].known.as_deref(), problems[0].informal.as_str()), (Some("by auto"), "Show it."));
    assert_eq!(parts(&problems[1]).header, "definition \"f = 1\"");
    assert_eq!(problems[1].known, None);
}

#[test]
fn a_function_has_tests_that_are_shown_and_tests_that_are_not() {
    let problems = sample(Format::Functions);
    let parts = |problem: &Problem| match &problem.kind {
        Kind::Python(PythonProblem::Function { entry_point, tests, hidden_tests, .. }) => {
            (entry_point.clone(), tests.clone(), hidden_tests.clone())
        }
        Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_) => panic!("{problem:?}"),
    };
    let (entry_point, tests, hidden_tests) = parts(&problems[0]);
    assert_eq!((entry_point.as_str(), tests.as_slice()), ("add", &["assert add(1, 2) == 3".to_owned()][..]));
    assert_eq!(hidden_tests, ["assert add(0, 0) == 0"]);
    assert_eq!((problems[0].split, problems[0].known.as_deref()), (Split::Valid, Some("    return a + b\n")));
    assert_eq!(
        (problems[0].metadata.topic.as_deref(), problems[0].metadata.difficulty),
        (Some("numbers"), Some(1))
    );
    assert_eq!((problems[1].split, problems[1].known.as_deref()), (Split::Test, None));
    assert!(parts(&problems[1]).2.is_empty());
}

#[test]
fn eval_plus_inputs_keep_every_digit() {
    let problems = sample(Format::EvalPlus);
    let Kind::Python(PythonProblem::InputsAndOracle { base_inputs, plus_inputs, tolerance, oracle, .. }) =
        &problems[0].kind
    else {
        panic!("{problems:?}")
    };
    assert_eq!(base_inputs, &["[1]", "[ \"]\\\"\" ]"]);
    assert_eq!(plus_inputs, &["[123456789012345678901234567890]", "[1.50]"]);
    assert_eq!((tolerance.as_str(), oracle.as_str()), ("1e-06", "    return x\n"));
    let Kind::Python(PythonProblem::InputsAndOracle { plus_inputs, tolerance, .. }) = &problems[1].kind
    else {
        panic!("{problems:?}")
    };
    assert_eq!((plus_inputs.len(), tolerance.as_str()), (0, "0"));
}

#[test]
fn apps_has_three_forms_of_examples() {
    let problems = sample(Format::Apps);
    let io = |stdin: &str, stdout: &str| IoCase { stdin: stdin.to_owned(), stdout: stdout.to_owned() };
    let cases = |problem: &Problem| {
        let Kind::Python(PythonProblem::StdinStdout { cases, .. }) = &problem.kind else {
            panic!("{problem:?}")
        };
        cases.clone()
    };
    assert_eq!(cases(&problems[0]), [io("1 2\n", "3\n"), io("4 5\n", "9\n")]);
    assert_eq!(
        (problems[0].name.as_str(), problems[0].known.as_deref()),
        ("APPS/0", Some("print(sum(map(int, input().split())))"))
    );
    assert_eq!(cases(&problems[1]), [io("a\nb", "c")]);
    let Kind::Python(PythonProblem::Calls { entry_point, cases, .. }) = &problems[2].kind else {
        panic!("{problems:?}")
    };
    let call = |arguments: &str, result: &str| CallCase {
        arguments: arguments.to_owned(),
        result: result.to_owned(),
    };
    assert_eq!(
        (entry_point.as_str(), cases.as_slice()),
        ("twice", &[call("[12345678901234567890123]", "[2]")][..])
    );
}

/// Format, what is broken in the first line of its sample, and what is said of it.
const BROKEN: &[(Format, &str, &str, &str)] = &[
    (Format::LeanDojo, "\"full_name\"", "\"fullname\"", "field `full_name` is missing"),
    (Format::LeanDojo, "\"valid\"", "\"dunno\"", "field `split`: `dunno` is no split that we know"),
    (Format::LeanClosed, "plus_1", "plus 1", "field `name`: `plus 1` is no name of a theorem"),
    (
        Format::LeanWorkbook,
        ":=  by sorry",
        ":=  by simp",
        "field `formal_statement`: it is no theorem that ends in",
    ),
    (Format::ProofNet, ":= sorry", "", "field `formal_statement`: it is no theorem that ends in"),
    (
        Format::Putnam,
        "\"answer\":\"fun_of 3 + 1\"",
        "\"answer\":null",
        "field `answer` must be text, found null",
    ),
    (Format::Putnam, "theorem putnam_1", "def putnam_1", "field `lean4`: it does not end in a theorem"),
    (Format::Verina, "end proof_aux", "end proofaux", "field `lean`: the mark `end proof_aux` is missing"),
    (
        Format::Isabelle,
        "\"imports\":[",
        "\"imports\":7,\"x\":[",
        "field `imports` must be a list of texts, found a number",
    ),
    (
        Format::EvalPlus,
        "\"base_input\":[[1]",
        "\"base_input\":[1",
        "field `base_input` must be a list of lists, found a number",
    ),
    (Format::EvalPlus, "1e-06", "\"x\"", "field `atol` must be a number from 0, found text"),
    (
        Format::Apps,
        "\\\"outputs\\\": [\\\"3\\\\n\\\", ",
        "\\\"outputs\\\": [",
        "field `input_output`: 2 inputs and 1 outputs",
    ),
    (Format::Apps, "{\\\"inputs\\\"", "{\\\"inputz\\\"", "field `input_output`: `inputs` is missing"),
    (Format::HumanEvalLean, "[\"lemma_1\",\"f_gt\"]", "[\"g\"]", "field `theorems`: `g` is not in the file"),
    (Format::Functions, "[\"assert add(1, 2) == 3\"]", "[]", "field `tests`: there is no test"),
    (Format::Functions, "\"prompt\"", "\"question\"", "field `prompt` is missing"),
    (Format::Functions, "\"add\"", "\" \"", "field `entry_point`: it is empty"),
    (Format::Problem, "\"lean\"", "\"coq\"", "unknown variant `coq`"),
];

#[test]
fn bad_records_of_every_format_name_their_field_and_cost_only_themselves() {
    for (format, from, to, expected) in BROKEN {
        let (path, _, text) = SAMPLES.iter().find(|(_, of, _)| of == format).expect("a sample");
        let first = text.lines().next().expect("a line");
        let bad = first.replacen(from, to, 1);
        assert_ne!(bad, first, "{format}: {from}");
        let results = read_as(path, &format!("{bad}\n{text}"), *format);
        let error = results[0].as_ref().expect_err(expected);
        assert!(error.cause.to_string().contains(expected), "{format}: {}", error.cause);
        assert!(results[1..].iter().all(Result::is_ok), "{results:?}");
    }
}

#[test]
fn every_sample_has_a_hash_of_its_own() {
    let all = SAMPLES.iter().flat_map(|(path, format, text)| read_as(path, text, *format));
    let hashes: Vec<ContentHash> = all.filter_map(Result::ok).map(|problem| problem.content_hash()).collect();
    let different: HashSet<&ContentHash> = hashes.iter().collect();
    assert!(hashes.len() > 20 && different.len() == hashes.len(), "{} of {}", different.len(), hashes.len());
}
