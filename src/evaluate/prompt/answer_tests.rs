use super::super::sample_problems::{asserts, bare_lean, function, human_eval, lean, shared};
use super::super::{Context, PromptFamily};
use super::*;
use proofloop_datasets::readers::{self, Format, Options};
use proofloop_verifiers::candidate::PythonCandidate;
use proptest::prelude::*;

fn family(name: &str) -> PromptFamily {
    PromptFamily::builtin(name).expect("built in")
}

fn extract(name: &str, problem: &Problem, text: &str) -> Result<Extracted, NoAnswer> {
    family(name).extract(problem, text)
}

fn lean_completion(text: &str) -> Result<Extracted, NoAnswer> {
    Ok(Extracted::LeanCompletion(text.to_owned()))
}

fn lean_file(text: &str) -> Result<Extracted, NoAnswer> {
    Ok(Extracted::LeanFile(text.to_owned()))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn completions_of_a_statement_end_at_the_fence() {
    // As DeepSeek-Prover-V1.5 answers: its `quick_start.py` shows the fence at the end.
    let answer = "  have h₂ : a < 10 := by omega\n  omega\n```\n\n\nComplete the following";
    let proof = "  have h₂ : a < 10 := by omega\n  omega";
    for name in ["deepseek-prover-v1.5", "deepseek-prover-v1.5-cot", "goedel"] {
        // The prompt ended in the line break.
        assert_eq!(extract(name, &lean(), answer), lean_completion(&format!("\n{proof}")), "{name}");
        assert_eq!(extract(name, &lean(), proof), lean_completion(&format!("\n{proof}")), "{name}");
        assert_eq!(extract(name, &lean(), " \n```\n"), Err(NoAnswer::Empty), "{name}");
        assert_eq!(extract(name, &lean(), ""), Err(NoAnswer::Empty), "{name}");
    }
    // STP's ended in `by`.
    assert_eq!(extract("stp", &lean(), "\n  omega\n```\nx"), lean_completion("\n  omega"));
    assert_eq!(extract("stp", &lean(), "\r\n  omega\r\n```\r\n"), lean_completion("\r\n  omega"));
    // Only at the beginning of a line, and only the first.
    assert_eq!(extract("stp", &lean(), " omega -- ```\n```\n"), lean_completion(" omega -- ```"));
    assert_eq!(extract("deepseek-prover-v1.5", &lean(), "  omega```"), lean_completion("\n  omega"));
}

#[test]
fn a_term_may_follow_an_assignment() {
    let problem = bare_lean("theorem t : True :=");
    assert_eq!(
        extract("deepseek-prover-v1.5", &problem, " by\n  trivial\n```"),
        lean_completion(" by\n  trivial")
    );
    assert_eq!(extract("stp", &problem, " trivial"), lean_completion(" trivial"));
    // This prompt says `by` whatever the statement says.
    assert_eq!(extract("plain", &problem, "\n  trivial\nend"), lean_completion(" by\n  trivial"));
    assert_eq!(
        extract("plain", &bare_lean("theorem t : True := by"), " trivial"),
        lean_completion(" trivial")
    );
    assert_eq!(extract("plain", &problem, "\ntrivial"), Err(NoAnswer::Empty));
}

const FILE: &str = "import Mathlib\n\ntheorem double_lt (a b : ℕ) : 2 * a < 20 := by\n  omega";

#[test]
fn kimina_s_file_is_the_last_block_that_looks_like_one() {
    let thoughts = "<think>\n# Plan\n```tactics\nomega\n```\nPerhaps:\n```lean4\nhave h : 1 = 1 := by rfl\n```\n\
        ```lean4\nimport Mathlib\n\ntheorem wrong : True := by\n  sorry\n```\n</think>\n\n";
    let answer = format!("{thoughts}```lean4\n{FILE}\n```<|im_end|>");
    assert_eq!(extract("kimina", &lean(), &answer), lean_file(FILE));
    // Behind the file, a block that is none.
    let answer = format!("{thoughts}```lean4\n{FILE}\n```\nIn short:\n```lean4\nomega\n```\n");
    assert_eq!(extract("kimina", &lean(), &answer), lean_file(FILE));
    // Cut off: as in their demonstration, what stands in the thoughts counts.
    let cut = format!("{thoughts}```lean4\nimport Mathlib\n\ntheorem d");
    let thought = "import Mathlib\n\ntheorem wrong : True := by\n  sorry";
    assert_eq!(extract("kimina", &lean(), &cut), lean_file(thought));
    let crlf = format!("```lean4\r\n{}\r\n```\r\n", FILE.replace('\n', "\r\n"));
    assert_eq!(extract("kimina", &lean(), &crlf), lean_file(FILE));
}

#[test]
fn what_is_no_file_has_a_reason() {
    let reason = |text: &str| extract("kimina", &lean(), text).expect_err("no answer");
    let no_block = NoAnswer::NoBlock { languages: words(&["lean4"]) };
    assert_eq!(reason(""), no_block);
    assert_eq!(reason(FILE), no_block);
    assert_eq!(reason(&format!("```python\n{FILE}\n```")), no_block);
    assert_eq!(reason(&format!("<think>\n```lean4\n{FILE}\n  -- and")), NoAnswer::Unterminated);
    let contains = words(&["theorem", "by", ":=", "import"]);
    assert_eq!(reason("```lean4\nomega\n```"), NoAnswer::NotInBlocks { contains });
    assert_eq!(extract("goedel-v2", &lean(), "```lean4\n\n```"), Err(NoAnswer::Empty));
    assert_eq!(
        reason("```lean4\nomega\n```").to_string(),
        "no block contains `theorem`, `by`, `:=`, `import`"
    );
    assert_eq!(no_block.to_string(), "there is no block in `lean4`");
    assert_eq!(reason("```lean4\nomega\n```").name(), "not-in-blocks");
}

#[test]
fn goedel_v2_s_file_may_lack_its_header() {
    let plan =
        "### Plan\n\n1. `omega`\n\n```lean4\ntheorem sketch : True := by\n  sorry\n```\n\n### Proof\n\n";
    let extract = |problem: &Problem, text: &str| extract("goedel-v2", problem, text);
    assert_eq!(extract(&lean(), &format!("{plan}```lean4\n{FILE}\n```\n")), lean_file(FILE));
    let bare = "theorem double_lt : True := by\n  trivial";
    let Kind::Lean(problem) = lean().kind else { unreachable!("it is Lean") };
    let with_header = format!("{}{bare}", problem.header);
    assert_eq!(extract(&lean(), &format!("{plan}```lean4\n{bare}\n```")), lean_file(&with_header));
    assert_eq!(extract(&lean(), &format!("{plan}```lean4\n{with_header}\n```")), lean_file(&with_header));
    // Without a header there is nothing to add.
    let problem = bare_lean("theorem double_lt : True := by");
    assert_eq!(extract(&problem, &format!("```lean4\n{bare}\n```")), lean_file(bare));
    // `lean` only where there is no `lean4`.
    assert_eq!(extract(&problem, &format!("```lean\n{bare}\n```")), lean_file(bare));
    assert_eq!(extract(&problem, &format!("```lean4\n{bare}\n```\n```lean\n#check 1\n```")), lean_file(bare));
}

#[test]
fn a_file_may_hold_fences_in_its_comments() {
    let file = "import Mathlib\n/- An example:\n```lean4\nexample : True := by trivial\n```\n-/\n\
        theorem double_lt : True := by\n  trivial -- ```";
    for name in ["kimina", "goedel-v2"] {
        assert_eq!(
            extract(name, &lean(), &format!("So:\n```lean4\n{file}\n```\nDone.")),
            lean_file(file),
            "{name}"
        );
    }
}

#[test]
fn a_function_ends_where_the_next_begins() {
    let body = "    if words:\n        # the first\n        return words[0]\n    print('none')\n";
    let extract = |text: &str| extract("humaneval", &human_eval(), text);
    let expected = Ok(Extracted::PythonCompletion(body.trim_end_matches('\n').to_owned()));
    for rest in [
        "\ndef last(words):\n",
        "\nclass A:\n",
        "\n# Test\n",
        "\nif __name__ == '__main__':\n",
        "\nprint(1)\n",
    ] {
        assert_eq!(
            extract(&format!("{}{rest}    pass\ndef f", body.trim_end_matches('\n'))),
            expected,
            "{rest}"
        );
    }
    assert_eq!(extract(body), Ok(Extracted::PythonCompletion(body.to_owned())));
    assert_eq!(extract("\n\ndef first(words):\n    return 1"), Err(NoAnswer::Empty));
}

#[test]
fn a_program_ends_where_it_is_done() {
    let program = "def add(a, b):\n    return a + b\n";
    let expected = Ok(Extracted::PythonProgram(program.to_owned()));
    let text = format!("{program}[DONE]\n\nYou are an expert Python programmer, and [DONE]");
    assert_eq!(extract("mbpp-few-shot", &asserts(), &text), expected);
    assert_eq!(extract("mbpp-few-shot", &asserts(), program), expected);
    assert_eq!(extract("mbpp-few-shot", &asserts(), "\n[DONE]"), Err(NoAnswer::Empty));
}

#[test]
fn a_chat_s_program_is_the_last_block_behind_thoughts() {
    let extract = |text: &str| extract("evalplus-instruct", &human_eval(), text);
    let program = Ok(Extracted::PythonProgram("def first(words):\n    return words[0]".to_owned()));
    let block = "```python\ndef first(words):\n    return words[0]\n```\n";
    assert_eq!(extract(&format!("Below is it:\n{block}It takes the first.")), program);
    assert_eq!(extract(&format!("<think>\n```python\n1\n```\n</think>\n{block}")), program);
    assert_eq!(extract(&block.replace("python", "")), program);
    assert_eq!(extract(&format!("<think>\n{block}")), Err(NoAnswer::UnfinishedThoughts));
    assert_eq!(extract("```python\ndef first"), Err(NoAnswer::Unterminated));
    assert_eq!(extract("I can't.").expect_err("none").name(), "no-block");
}

#[test]
fn tasks_that_a_family_does_not_ask_are_not_read() {
    assert_eq!(extract("stp", &asserts(), "\n  omega"), Err(NoAnswer::OtherTask { task: Task::Asserts }));
    assert_eq!(extract("humaneval", &lean(), "    pass"), Err(NoAnswer::OtherTask { task: Task::Lean }));
}

#[test]
fn answers_are_judged_against_their_problem() {
    let completion = Extracted::LeanCompletion("\n  omega".to_owned()).candidate(&lean());
    let Some(Candidate::Lean(LeanCandidate::Completion { statement, completion, header })) = completion
    else {
        panic!("{completion:?}")
    };
    assert!(header.starts_with("import Mathlib") && statement.ends_with("20 := by"));
    assert_eq!(completion, "\n  omega");
    let file = Extracted::LeanFile(FILE.to_owned()).candidate(&lean());
    assert!(matches!(file, Some(Candidate::Lean(LeanCandidate::File { statement: Some(_), .. }))));
    let program = Extracted::PythonProgram("def first(words): ...".to_owned());
    let Some(Candidate::Python(PythonCandidate::HumanEval { prompt, .. })) = program.candidate(&human_eval())
    else {
        panic!("{program:?}")
    };
    assert_eq!(prompt, "");
    let Some(Candidate::Python(PythonCandidate::Asserts { tests, .. })) = program.candidate(&asserts())
    else {
        panic!("{program:?}")
    };
    assert_eq!(tests.len(), 3);
    assert_eq!(program.candidate(&lean()), None);
    assert_eq!(Extracted::PythonCompletion("    pass".to_owned()).candidate(&asserts()), None);
}

#[test]
fn a_function_is_judged_by_its_shown_and_its_hidden_tests() {
    let judged = |answer: Extracted| {
        let candidate = answer.candidate(&function());
        let Some(Candidate::Python(PythonCandidate::Asserts { code, setup, tests })) = candidate else {
            panic!("{candidate:?}")
        };
        (code, setup, tests)
    };
    let tests = ["assert add(1, 2) == 3", "assert add(0, 0) == 0"].map(str::to_owned).to_vec();
    let completion = judged(Extracted::PythonCompletion("    return a + b\n".to_owned()));
    let whole = "def add(a, b):\n    \"\"\"Add.\"\"\"\n    return a + b\n";
    assert_eq!(completion, (whole.to_owned(), String::new(), tests.clone()));
    let program = judged(Extracted::PythonProgram("def add(a, b): ...".to_owned()));
    assert_eq!(program, ("def add(a, b): ...".to_owned(), String::new(), tests));
}

/// Prompt and answer, put together and read, are what is judged: the text that the model saw and went on with.
fn goes_on(name: &str, problem: &Problem, answer: &str, behind: &str) -> Result<(), TestCaseError> {
    let family = family(name);
    let prompt = family.render(problem, &Context::default()).expect("renders");
    let read = family.extract(problem, &format!("{answer}{behind}")).expect("an answer");
    let Kind::Lean(lean) = &problem.kind else { unreachable!("it is Lean") };
    let judged = format!("{}{}", lean.statement.trim(), read.text());
    let seen = format!("{prompt}{}", answer.trim_end());
    prop_assert!(seen.ends_with(&judged), "{:?} is not the end of {:?}", judged, seen);
    Ok(())
}

proptest! {
    #[test]
    fn an_answer_is_read_back(answer in "[a-z (∧`:=)\n-]{0,60}[a-z]", by in prop::sample::select(vec![" := by", " := by\n", " :="])) {
        let problem = bare_lean(&format!("theorem t (h : 1 = 1) : True{by}"));
        for name in ["stp", "goedel", "deepseek-prover-v1.5", "deepseek-prover-v1.5-cot"] {
            let family = family(name);
            prop_assume!(!family.stop().iter().any(|stop| answer.contains(stop.as_str())));
            goes_on(name, &problem, &answer, "\n```\nand so on")?;
            goes_on(name, &problem, &answer, "")?;
        }
        let program = Ok(Extracted::PythonProgram(answer.clone()));
        prop_assert_eq!(extract("mbpp-few-shot", &asserts(), &format!("{answer}[DONE]")), program);
    }

    #[test]
    fn an_indented_proof_is_read_back(lines in prop::collection::vec("  [a-z ]{0,10}[a-z]", 1..5)) {
        let answer = format!("\n{}", lines.join("\n"));
        let expected = Ok(Extracted::LeanCompletion(answer.clone()));
        let problem = bare_lean("theorem t : True := by");
        prop_assert_eq!(extract("plain", &problem, &format!("{answer}\ntheorem u")), expected);
    }

    #[test]
    fn a_file_is_read_back(lines in prop::collection::vec("[a-z :=]{0,12}", 0..5)) {
        let file = format!("import Mathlib\n{}\ntheorem t : True := by\n  trivial", lines.join("\n"));
        let text = format!("<think>\n```lean4\n{FILE}\n```\n</think>\n```lean4\n{file}\n```");
        for name in ["kimina", "goedel-v2"] {
            prop_assert_eq!(extract(name, &lean(), &text), lean_file(&file));
        }
    }
}

#[test]
fn humaneval_s_own_solutions_are_read_back() {
    let Some(path) = shared("humaneval/HumanEval.jsonl.gz") else { return };
    let problems = readers::open(&path, Format::HumanEval, &Options::default()).expect("opens");
    let mut count = 0;
    for problem in problems {
        let problem = problem.expect("a problem");
        let solution = problem.known.clone().expect("a solution");
        let read = extract("humaneval", &problem, &format!("{solution}\ndef check():\n    pass"))
            .expect("an answer");
        assert_eq!(read, Extracted::PythonCompletion(solution), "{}", problem.name);
        count += 1;
    }
    assert_eq!(count, 164);
}
