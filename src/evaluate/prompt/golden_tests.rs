//! Every family to the letter: on a record of our own, and, where the data is, on all published records against the
//! expression that its authors fill in.

use super::super::sample_problems::{asserts, bare_lean, human_eval, isabelle, lean, mbpp, shared};
use super::*;
use crate::selfplay::prompts::PromptStyle;
use proofloop_datasets::readers::{self, DuplicateNames, Format, Options};
use proofloop_datasets::{Kind, Split};
use serde_json::Value;

const HEADER: &str = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 0\n\nopen Real Nat\n\n";
const INFORMAL: &str = "/-- If $a<b$ and $b<10$, show that $2a < 20$.-/\n";
const STATEMENT: &str =
    "theorem double_lt (a b : ℕ) (h₀ : a < b) (h₁ : b < 10 ∧ \"<&>\" ≠ \"\") :\n    2 * a < 20 := by";

fn rendered(family: &str, problem: &Problem) -> String {
    let family = PromptFamily::builtin(family).expect("built in");
    family.render(problem, &Context::default()).expect("renders")
}

#[test]
fn lean_completions() {
    let plain = "Complete the following Lean 4 code:\n\n```lean4\n";
    let comments = "Complete the following Lean 4 code with explanatory comments preceding each line of code:\n\n```lean4\n";
    for (family, start) in
        [("deepseek-prover-v1.5", plain), ("deepseek-prover-v1.5-cot", comments), ("goedel", comments)]
    {
        assert_eq!(rendered(family, &lean()), format!("{start}{HEADER}{INFORMAL}{STATEMENT}\n"), "{family}");
    }
    assert_eq!(rendered("stp", &lean()), format!("{plain}{HEADER}{STATEMENT}"));
    assert_eq!(
        rendered("plain", &lean()),
        "prove theorem (a b : ℕ) (h₀ : a < b) (h₁ : b < 10 ∧ \"<&>\" ≠ \"\") :\n    2 * a < 20 := by"
    );
}

#[test]
fn lean_chats() {
    let goedel = "<|im_start|>user\nComplete the following Lean 4 code:\n\n```lean4\n{code} sorry```\n\n\
        Before producing the Lean 4 code to formally prove the given theorem, provide a detailed proof plan outlining the \
        main proof steps and strategies.\nThe plan should highlight key ideas, intermediate lemmas, and proof structures \
        that will guide the construction of the final formal proof.<|im_end|>\n<|im_start|>assistant\n";
    let code = format!("{HEADER}{INFORMAL}{STATEMENT}");
    assert_eq!(rendered("goedel-v2", &lean()), goedel.replace("{code}", &code));
    let kimina = "<|im_start|>system\nYou are an expert in mathematics and Lean 4.<|im_end|>\n<|im_start|>user\n\
        Think about and solve the following problem step by step in Lean 4.\n\
        # Problem:If $a<b$ and $b<10$, show that $2a < 20$.\n# Formal statement:\n```lean4\n{code}\n\n```\n<|im_end|>\n\
        <|im_start|>assistant\n";
    assert_eq!(rendered("kimina", &lean()), kimina.replace("{code}", &code));
}

#[test]
fn isabelle_completions() {
    assert_eq!(
        rendered("isabelle", &isabelle()),
        "Complete the following Isabelle/HOL theory:\n\n```isabelle\ntheory t imports Complex_Main \"HOL-Library.Sum_of_Squares\"\n\
         begin\n\ndefinition \"f = (1::nat)\"\ntheorem t:\n  shows \"f = 1\""
    );
}

#[test]
fn records_without_header_words_or_line_break() {
    let problem = bare_lean("theorem bare : True := by");
    let start = "Complete the following Lean 4 code:\n\n```lean4\ntheorem bare : True := by";
    assert_eq!(rendered("stp", &problem), start);
    assert_eq!(rendered("deepseek-prover-v1.5", &problem), format!("{start}\n"));
    let term = bare_lean("theorem bare : True :=");
    assert_eq!(rendered("deepseek-prover-v1.5", &term), start.trim_end_matches(" by"));
    for problem in [problem, term] {
        assert_eq!(rendered("plain", &problem), "prove theorem : True := by");
        assert!(rendered("goedel-v2", &problem).contains("\ntheorem bare : True := by sorry```\n"));
        assert!(
            rendered("kimina", &problem)
                .contains("\n# Problem:\n# Formal statement:\n```lean4\ntheorem bare : True := by\n\n```\n")
        );
    }
}

#[test]
fn python() {
    let Kind::Python(proofloop_datasets::PythonProblem::HumanEval { prompt, .. }) = human_eval().kind else {
        unreachable!("it is HumanEval")
    };
    assert_eq!(rendered("humaneval", &human_eval()), prompt);
    let task = "You are an expert Python programmer, and here is your task: ";
    let behind = " Your code should pass these tests:\n\n";
    let tests = |function: &str| {
        let test = |number| format!("assert {function}({number}, 1) == {}\n", number + 1);
        (0..3).map(test).collect::<String>()
    };
    let few_shot = [("MBPP/1", "One."), ("MBPP/2", "Two."), ("MBPP/3", "Three."), ("MBPP/4", "Four.")]
        .map(|(name, text)| mbpp(name, text, &name.replace("MBPP/", "f"), "x = 1\r\ny = 2"));
    let shown = |text: &str, function: &str| {
        format!("{task}{text}{behind}{}[BEGIN]\nx = 1\r\ny = 2\n[DONE]\n\n", tests(function))
    };
    let expected = [
        shown("Two.", "f2"),
        shown("Three.", "f3"),
        shown("Four.", "f4"),
        format!("{task}Write a function to add & <compare>.{behind}{}[BEGIN]\n", tests("add")),
    ];
    let family = PromptFamily::builtin("mbpp-few-shot").expect("built in");
    let with = |few_shot| family.render(&asserts(), &Context { few_shot }).expect("renders");
    assert_eq!(with(&few_shot), expected.concat());
    // Without those three, the first.
    assert!(with(&few_shot[..3]).starts_with(&shown("One.", "f1")));
    let own = with(&[]);
    assert_eq!(own.matches("[BEGIN]").count(), 4);
    assert!(
        own.ends_with(&expected[3]) && own.contains("\n\ndef letters(text):\n") && !own.contains("hidden")
    );
}

#[test]
fn python_chats() {
    let start = "Please provide a self-contained Python script that solves the following problem in a markdown code block:\n```python\n";
    let family = PromptFamily::builtin("evalplus-instruct").expect("built in");
    let user = |problem: &Problem| family.messages(problem, &Context::default()).expect("messages").user;
    let function = rendered("humaneval", &human_eval());
    assert_eq!(user(&human_eval()), format!("{start}{}\n```", function.trim()));
    let task = "\"\"\"\nWrite a function to add & <compare>.\nassert add(0, 1) == 1\n\"\"\"";
    assert_eq!(user(&asserts()), format!("{start}{task}\n```"));
}

/// Every record of a file: as its fields, and as a problem.
fn records(relative: &str, format: Format) -> Option<Vec<(Value, Problem)>> {
    let path = shared(relative)?;
    let text = fs::read_to_string(&path).expect("readable");
    let fields = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let options = Options { duplicate_names: DuplicateNames::Allow, ..Options::default() };
    let problems = readers::open(&path, format, &options).expect("opens");
    Some(fields.zip(problems.map(|problem| problem.expect("a problem"))).collect())
}

#[test]
fn deepseek_s_records_as_its_authors_fill_them_in() {
    for (file, count) in [("minif2f-deepseek/minif2f.jsonl", 488), ("proofnet-deepseek/proofnet.jsonl", 371)]
    {
        let Some(records) = records(file, Format::LeanJsonl) else { continue };
        assert_eq!(records.len(), count);
        for (fields, problem) in records {
            let field = |name: &str| fields[name].as_str().expect("text");
            let code =
                format!("{}{}{}", field("header"), field("informal_prefix"), field("formal_statement"));
            let expected = format!("Complete the following Lean 4 code:\n\n```lean4\n{code}");
            assert_eq!(rendered("deepseek-prover-v1.5", &problem), expected);
            let words = "Lean 4 code with explanatory comments preceding each line of code:";
            let expected = expected.replacen("Lean 4 code:", words, 1);
            assert_eq!(rendered("deepseek-prover-v1.5-cot", &problem), expected);
            assert_eq!(rendered("goedel", &problem), expected);
            let (header, statement) = (field("header"), field("formal_statement").trim());
            let expected = format!("Complete the following Lean 4 code:\n\n```lean4\n{header}{statement}");
            assert_eq!(rendered("stp", &problem), expected);
        }
    }
}

#[test]
fn goedel_v2_s_records_as_its_authors_fill_them_in() {
    let Some(records) = records("minif2f-goedel-v2/minif2f.jsonl", Format::LeanJsonl) else { return };
    assert_eq!(records.len(), 244);
    for (fields, problem) in records {
        let code = fields["lean4_code"].as_str().expect("text");
        let code = format!("{}:= by sorry", code.split(":= by").next().expect("the first"));
        let start = "<|im_start|>user\nComplete the following Lean 4 code:\n\n```lean4\n";
        let expected = format!("{start}{code}```\n\nBefore producing the Lean 4 code");
        assert!(rendered("goedel-v2", &problem).starts_with(&expected), "{}", problem.name);
    }
}

#[test]
fn kimina_s_card() {
    let Some(records) = records("minif2f-deepseek/minif2f.jsonl", Format::LeanJsonl) else { return };
    let is_shown = |(_, problem): &(Value, Problem)| problem.name == "mathd_algebra_478";
    let (fields, problem) = records.into_iter().find(is_shown).expect("the card's problem");
    let field = |name: &str| fields[name].as_str().expect("text");
    let statement = format!("{}{}{}", field("header"), field("informal_prefix"), field("formal_statement"));
    let words = field("informal_prefix").trim_start_matches("/-- ").trim_end_matches("-/\n");
    let expected = format!(
        "Think about and solve the following problem step by step in Lean 4.\n# Problem:{words}\n# Formal statement:\n```lean4\n{statement}\n```\n"
    );
    let family = PromptFamily::builtin("kimina").expect("built in");
    let messages = family.messages(&problem, &Context::default()).expect("messages");
    assert_eq!(messages.user, expected);
    assert_eq!(messages.system, Some("You are an expert in mathematics and Lean 4."));
}

#[test]
fn our_own_prompts_are_those_of_training() {
    let Some(records) = records("core-lean/core_small_lean428.jsonl", Format::LeanJsonl) else { return };
    assert!(records.len() > 400);
    for (_, problem) in records {
        let Kind::Lean(lean) = &problem.kind else { unreachable!("it is Lean") };
        // As `selfplay/problems.rs` makes statements of problems.
        let text = crate::selfplay::statement::without_assignment(&lean.statement);
        let statement = format!("{text} := by");
        assert_eq!(rendered("plain", &problem), PromptStyle::Plain.prover(&lean.header, &statement));
        let written = lean.statement.trim();
        assert_eq!(rendered("stp", &problem), PromptStyle::Stp.prover(&lean.header, written));
    }
}

#[test]
fn python_records_as_their_authors_fill_them_in() {
    if let Some(records) = records("mbpp/mbpp.jsonl", Format::Mbpp) {
        let tests = |fields: &Value| {
            let tests = fields["test_list"].as_array().expect("a list");
            tests.iter().map(|test| test.as_str().expect("text").to_owned()).collect::<Vec<_>>()
        };
        let asked = |fields: &Value| {
            let text = fields["text"].as_str().expect("text");
            let [first, second, third] = &tests(fields)[..] else { panic!("not three tests") };
            format!(
                "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n{first}\n{second}\n{third}\n[BEGIN]\n"
            )
        };
        let shown = |number: usize| {
            let fields = &records[number - 1].0;
            format!("{}{}\n[DONE]\n\n", asked(fields), fields["code"].as_str().expect("text"))
        };
        let examples = [shown(2), shown(3), shown(4)].concat();
        let few_shot: Vec<Problem> = records[..10].iter().map(|(_, problem)| problem.clone()).collect();
        assert!(few_shot.iter().all(|problem| problem.split == Split::Prompt));
        let family = PromptFamily::builtin("mbpp-few-shot").expect("built in");
        for (fields, problem) in &records[10..] {
            let prompt = family.render(problem, &Context { few_shot: &few_shot }).expect("renders");
            assert_eq!(prompt, format!("{examples}{}", asked(fields)));
        }
    }
    let Some(path) = shared("humaneval/HumanEval.jsonl.gz") else { return };
    for problem in readers::open(&path, Format::HumanEval, &Options::default()).expect("opens") {
        let problem = problem.expect("a problem");
        let Kind::Python(proofloop_datasets::PythonProblem::HumanEval { prompt, .. }) = &problem.kind else {
            unreachable!("it is HumanEval")
        };
        assert_eq!(rendered("humaneval", &problem), *prompt);
    }
}
