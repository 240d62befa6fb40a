//! A teacher that is talked to: what it is asked in words, and what of its words is the answer. What it says is judged and
//! learnt in the form of [`super::prompts`], as everything else.

use super::prompts::{self, Answer, Ask, Failed};
use super::reward::tree;
use crate::evaluate::prompt::last_block_in;
use proofloop_datasets::{Kind, Problem, PythonProblem};
use proofloop_verifiers::lean::lexer::{self, Token, TokenKind};
use tree_sitter::Node;

/// An explanation of more characters is cut: it is one line of what the model is taught.
const MOST_EXPLANATION_CHARACTERS: usize = 300;

const PYTHON: &[&str] = &["python", "python3", "py", ""];
const LEAN: &[&str] = &["lean4", "lean", ""];

/// The message: the task with what was tried and what was said of it, in order, and what to write now.
pub(super) fn message(problem: &Problem, failed: &[Failed], ask: Ask) -> String {
    let is_proof = matches!(problem.kind, Kind::Lean(_));
    let (what, language) = if is_proof { ("Lean 4 proof", "lean4") } else { ("Python function", "python") };
    let mut text = match failed {
        [] => format!("Write this {what}.\n\n```{language}\n{}\n```\n", whole(problem, "").trim_end()),
        _ => format!("This {what} is wrong.\n"),
    };
    for (number, one) in (1..).zip(failed) {
        if failed.len() > 1 {
            text.push_str(&format!("\nAttempt {number}:\n"));
        }
        let code = whole(problem, &one.answer.code);
        let feedback = one.feedback.trim_end();
        text.push_str(&format!(
            "\n```{language}\n{}\n```\n\nWhat was said of it:\n\n{feedback}\n",
            code.trim_end()
        ));
    }
    if ask == Ask::Explain {
        text.push_str("\nFirst say in one sentence what is wrong with the last attempt.");
    }
    let (whole, end) = if is_proof {
        ("the theorem again, as it is stated, with a proof that Lean accepts", "no imports, and no `sorry`")
    } else {
        ("the whole function again, with its docstring", "nothing outside of the function")
    };
    text.push_str(&format!("\nWrite {whole}, in one block that begins with ```{language}: {end}.\n"));
    text
}

/// A problem with an answer to it, as its author would write both.
fn whole(problem: &Problem, code: &str) -> String {
    match &problem.kind {
        Kind::Python(python) => match function(python) {
            Some((prompt, _)) => format!("{}\n{code}", prompt.trim_end()),
            None => code.to_owned(),
        },
        Kind::Lean(lean) => format!("{}{code}", lean.statement.trim_end()),
        Kind::LeanGaps(_) | Kind::Isabelle(_) => code.to_owned(),
    }
}

/// The text in front of the body, and the function's name, where the task is a function.
fn function(problem: &PythonProblem) -> Option<(&str, &str)> {
    match problem {
        PythonProblem::Function { prompt, entry_point, .. }
        | PythonProblem::HumanEval { prompt, entry_point, .. }
        | PythonProblem::InputsAndOracle { prompt, entry_point, .. } => Some((prompt, entry_point)),
        PythonProblem::Asserts { .. } | PythonProblem::StdinStdout { .. } | PythonProblem::Calls { .. } => {
            None
        }
    }
}

/// The answer in what a teacher said; `None` if there is none.
pub(super) fn read(problem: &Problem, ask: Ask, said: &str) -> Option<Answer> {
    let said = said.rsplit_once("</think>").map_or(said, |(_thoughts, rest)| rest);
    let block = |languages| last_block_in(said, languages);
    let code = match &problem.kind {
        Kind::Python(python) => body(&block(PYTHON)?, function(python)?.1)?,
        Kind::Lean(lean) => proof(&block(LEAN)?, &lean.statement)?,
        Kind::LeanGaps(_) | Kind::Isabelle(_) => return None,
    };
    let explanation = match ask {
        Ask::Explain => Some(explanation(said)?),
        Ask::Write | Ask::Refine => None,
    };
    (!code.trim().is_empty()).then_some(Answer { explanation, code })
}

/// The first paragraph in front of the first block, as one line.
fn explanation(said: &str) -> Option<String> {
    let before = said.split("```").next()?;
    let paragraph = before.split("\n\n").find(|paragraph| !paragraph.trim().is_empty())?;
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(line.chars().take(MOST_EXPLANATION_CHARACTERS).collect())
}

/// The body of the last function of this name, behind its docstring, indented by four spaces.
fn body(block: &str, name: &str) -> Option<String> {
    let tree = tree::parse(block);
    let root = tree.root_node();
    let text = |node: Node<'_>| &block[node.byte_range()];
    let mut cursor = root.walk();
    let is_meant = |node: &Node<'_>| {
        node.kind() == "function_definition"
            && node.child_by_field_name("name").is_some_and(|of| text(of) == name)
    };
    let function = root.children(&mut cursor).filter(is_meant).last()?;
    let body = function.child_by_field_name("body")?;
    let mut cursor = body.walk();
    let mut statements = body.named_children(&mut cursor).skip_while(is_docstring);
    let first = statements.next()?;
    let indent = &block[line_start(block, first.start_byte())..first.start_byte()];
    let code = &block[first.start_byte()..body.end_byte()];
    // Behind the colon of `def f(x): return x` there is no white space to be put in place of.
    let indent = if indent.trim().is_empty() { indent } else { "" };
    let mut lines = code.lines();
    let mut indented = format!("    {}\n", lines.next()?);
    for line in lines {
        match line.strip_prefix(indent) {
            Some(rest) if !rest.trim().is_empty() => indented.push_str(&format!("    {rest}\n")),
            // A line of a text that goes over several.
            Some(_) | None => indented.push_str(&format!("{line}\n")),
        }
    }
    Some(prompts::body(&indented))
}

fn is_docstring(node: &Node<'_>) -> bool {
    node.kind() == "expression_statement" && node.named_child(0).is_some_and(|child| child.kind() == "string")
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |line_break| line_break + 1)
}

/// What stands behind the statement, however its white space and comments were changed.
fn proof(block: &str, statement: &str) -> Option<String> {
    let code = |text| -> Option<Vec<Token<'_>>> {
        let tokens = lexer::tokenize(text).ok()?;
        Some(tokens.into_iter().filter(|token| token.kind != TokenKind::Comment).collect())
    };
    let (said, stated) = (code(block)?, code(statement)?);
    let is_same =
        |place: &&[Token<'_>]| place.iter().map(|token| token.text).eq(stated.iter().map(|token| token.text));
    let place = said.windows(stated.len().max(1)).rfind(is_same)?;
    let last = place.last()?;
    let behind = &block[last.offset + last.text.len()..];
    Some(prompts::proof(behind).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::sample_problems::{problem, python};
    use super::*;
    use proofloop_datasets::LeanProblem;
    use proptest::prelude::*;

    fn lean() -> Problem {
        let statement = "theorem t (a b : Nat) : a + b = b + a := by\n".to_owned();
        problem(Kind::Lean(LeanProblem { header: "open Nat".to_owned(), statement }))
    }

    fn failed(code: &str, feedback: &str) -> Failed {
        let answer = Answer { explanation: None, code: code.to_owned() };
        Failed { answer, feedback: feedback.to_owned() }
    }

    #[test]
    fn a_message_has_all_attempts_and_what_was_said_of_them() {
        let first = failed("    return max(xs)\n", "f([]) == 0 but got ValueError");
        let second = failed("    return max(xs, default=1)\n", "f([]) == 0 but got 1");
        insta::assert_snapshot!(message(&python(), &[first, second], Ask::Explain), @r#"
        This Python function is wrong.

        Attempt 1:

        ```python
        def f(xs):
            """Return the largest."""
            return max(xs)
        ```

        What was said of it:

        f([]) == 0 but got ValueError

        Attempt 2:

        ```python
        def f(xs):
            """Return the largest."""
            return max(xs, default=1)
        ```

        What was said of it:

        f([]) == 0 but got 1

        First say in one sentence what is wrong with the last attempt.
        Write the whole function again, with its docstring, in one block that begins with ```python: nothing outside of the function.
        "#);
        let sorry = failed("\n  sorry", "declaration uses `sorry`");
        insta::assert_snapshot!(message(&lean(), &[sorry], Ask::Refine), @r"
        This Lean 4 proof is wrong.

        ```lean4
        theorem t (a b : Nat) : a + b = b + a := by
          sorry
        ```

        What was said of it:

        declaration uses `sorry`

        Write the theorem again, as it is stated, with a proof that Lean accepts, in one block that begins with ```lean4: no imports, and no `sorry`.
        ");
    }

    #[test]
    fn of_a_function_its_body_is_the_answer() {
        for (said, explanation, code) in [
            (
                "An empty list has\nno largest.\n\nSo:\n```python\ndef f(xs):\n    \"\"\"Return the largest.\"\"\"\n    return max(xs, default=0)\n```\nDone.",
                "An empty list has no largest.",
                "    return max(xs, default=0)\n",
            ),
            (
                "<think>maybe\n```python\ndef f(xs): pass\n```\n</think>Two spaces.\n```python\ndef f(\n  xs,\n):\n  if xs:\n    return max(xs)\n  return 0\n\nprint(f([]))\n```",
                "Two spaces.",
                "    if xs:\n      return max(xs)\n    return 0\n",
            ),
            ("One line.\n```\ndef f(xs): return 0\n```", "One line.", "    return 0\n"),
            (
                "Again.\n```python\ndef f(xs):\n    return 1\n\ndef g(xs):\n    return 2\n\ndef f(xs):\n\treturn 3\n```",
                "Again.",
                "    return 3\n",
            ),
        ] {
            let answer = Answer { explanation: Some(explanation.to_owned()), code: code.to_owned() };
            assert_eq!(read(&python(), Ask::Explain, said), Some(answer), "{said}");
        }
        for said in [
            "It is fine.",
            "```python\ndef f(xs):\n    return 0\n```",
            "Wrong name.\n```python\ndef g(xs):\n    return 0\n```",
            "No body.\n```python\ndef f(xs):\n    \"\"\"Return the largest.\"\"\"\n```",
            "Not closed.\n```python\ndef f(xs):\n    return 0\n",
        ] {
            assert_eq!(read(&python(), Ask::Explain, said), None, "{said}");
        }
    }

    #[test]
    fn of_a_theorem_its_proof_is_the_answer() {
        let said = "```lean4\nopen Nat\n\n/-- It commutes. -/\ntheorem t (a b : Nat) :\n    a + b = b + a := by -- now\n  omega\n\n#eval 1\n```";
        let answer = read(&lean(), Ask::Refine, said).expect("an answer");
        assert_eq!(answer.code, " -- now\n  omega");
        for said in [
            "```lean4\ntheorem t (a b : Nat) : a + b = a + b := by\n  rfl\n```",
            "```lean4\n  omega\n```",
            "```python\ntheorem t (a b : Nat) : a + b = b + a := by omega\n```",
        ] {
            assert_eq!(read(&lean(), Ask::Refine, said), None, "{said}");
        }
    }

    proptest! {
        /// Also of what is no Python and no Lean.
        #[test]
        fn any_text_is_read(pieces in prop::collection::vec(piece(), 0..20)) {
            let said = pieces.concat();
            for ask in [Ask::Write, Ask::Refine, Ask::Explain] {
                for problem in [python(), lean()] {
                    let Some(answer) = read(&problem, ask, &said) else { continue };
                    prop_assert!(!answer.code.trim().is_empty());
                    prop_assert_eq!(answer.explanation.is_some(), ask == Ask::Explain);
                    prop_assert!(!answer.explanation.unwrap_or_default().contains('\n'));
                }
            }
        }

        /// A body as it is taught, in a function as a teacher writes it, is read back.
        #[test]
        fn a_body_is_read_back(lines in prop::collection::vec("    [b-e]{1,5} = [0-9]{1,3}\n", 1..6)) {
            let code = lines.concat();
            let said = format!("Why not.\n\n```python\n{}```\n", whole(&python(), &code));
            let answer = read(&python(), Ask::Explain, &said).expect("an answer");
            prop_assert_eq!(answer, Answer { explanation: Some("Why not.".to_owned()), code });
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        const PARTS: &[&str] = &[
            "```python\n",
            "```\n",
            "```lean4\n",
            "</think>",
            "def f(xs):",
            "\n",
            "    ",
            "\t",
            "return 0",
            "\"\"\"",
            "\\",
            "async ",
            "@g\n",
            "class A:\n",
            "theorem t (a b : Nat) : a + b = b + a := by",
            " /- ",
            " -/ ",
            "  omega\n",
            "é",
            "# why\n",
        ];
        prop_oneof![prop::sample::select(PARTS).prop_map(str::to_owned), ".{0,4}"]
    }
}
