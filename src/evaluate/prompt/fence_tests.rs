use super::*;
use proofloop_verifiers::lean::lexer;
use proptest::prelude::*;
use std::cell::Cell;

fn is_whole(_info: &str, text: &str) -> bool {
    lexer::tokenize(text).is_ok()
}

/// Language, text, and whether it is closed.
type Found<'a> = (&'a str, &'a str, bool);

fn found(text: &str) -> Vec<Found<'_>> {
    blocks(text, is_whole).into_iter().map(|block| (block.info, block.text, block.is_closed)).collect()
}

#[test]
fn ordinary_blocks() {
    let cases: &[(&str, &[Found<'_>])] = &[
        ("", &[]),
        ("no block, `none`, ```none``` at all", &[]),
        ("```lean4\ntheorem t\n```", &[("lean4", "theorem t", true)]),
        ("```lean4\r\na\r\nb\r\n```\r\n", &[("lean4", "a\r\nb", true)]),
        ("Text: ```lean4\na\n```\nmore", &[("lean4", "a", true)]),
        ("  ```lean4  \n  a\n  ```\n", &[("lean4", "  a", true)]),
        ("```lean4\na```\n", &[("lean4", "a", true)]),
        ("```\na\n```\n```py\nb\n```", &[("", "a", true), ("py", "b", true)]),
        ("```lean4\n```", &[("lean4", "", true)]),
        ("```lean4\na\n\n```", &[("lean4", "a\n", true)]),
        ("````lean4\n```\na\n````", &[("lean4", "```\na", true)]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(text), *expected, "{text:?}");
    }
}

#[test]
fn blocks_without_an_end() {
    let cases: &[(&str, &[Found<'_>])] = &[
        ("```lean4\na\nb\n", &[("lean4", "a\nb", false)]),
        ("```lean4", &[("lean4", "", false)]),
        ("````\n```lean4\nb\n```", &[("", "```lean4\nb\n```", false), ("lean4", "b", true)]),
        ("```lean4\na\n```lean4\nb\n```", &[("lean4", "a", false), ("lean4", "b", true)]),
        (
            "```tactics\nsimp\n\nNow:\n```lean4\nb\n```",
            &[("tactics", "simp\n\nNow:", false), ("lean4", "b", true)],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(found(text), *expected, "{text:?}");
    }
}

#[test]
fn a_fence_in_a_comment_ends_no_block() {
    let text =
        "```lean4\n/-- For instance\n```lean\nexample : True := trivial\n```\nas above. -/\ntheorem t\n```\n";
    let inner = "/-- For instance\n```lean\nexample : True := trivial\n```\nas above. -/\ntheorem t";
    assert_eq!(found(text), [("lean4", inner, true)]);
    // A comment that never ends is the block's own fault, and takes no later block with it.
    let text = "```lean4\n/- no\n```\ntext\n```lean4\ntheorem t\n```\n";
    assert_eq!(found(text), [("lean4", "/- no", true), ("lean4", "theorem t", true)]);
    let text = "```lean4\n/- no\n```lean4\ntheorem t\n-/\n```\n";
    assert_eq!(found(text), [("lean4", "/- no\n```lean4\ntheorem t\n-/", true)]);
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "```",
        "````",
        "lean4",
        "\n",
        "\n```\n",
        "\n```lean4\n",
        "x ```lean4\n",
        "/-",
        "-/",
        " x ",
        "\r\n",
        "é",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_the_text_the_work_is_bounded(text in pieces()) {
        let looked_at = Cell::new(0);
        let counting = |_info: &str, inner: &str| {
            looked_at.set(looked_at.get() + inner.len());
            lexer::tokenize(inner).is_ok()
        };
        let found = blocks(&text, counting);
        prop_assert!(looked_at.get() <= MOST_TRIES * MOST_TRIES * text.len());
        for block in found {
            prop_assert!(text.contains(block.text));
        }
    }

    #[test]
    fn a_block_is_found_behind_any_prose(
        prose in "[a-z .\n]{0,40}",
        code in prop::collection::vec("[a-z :=]{0,12}", 1..6),
    ) {
        let code = code.join("\n");
        let text = format!("{prose}\n```lean4\n{code}\n```\n{prose}");
        prop_assert_eq!(found(&text), [("lean4", code.as_str(), true)]);
    }
}
