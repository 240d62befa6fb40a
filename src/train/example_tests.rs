use std::error::Error as _;

use super::*;

const OPTIONS: EncodeOptions =
    EncodeOptions { bos: None, eos: Some(0), max_tokens: 8, too_long: TooLong::Refuse };

fn tokenizer() -> Tokenizer {
    // Only bytes and one special token: a letter is a token.
    Tokenizer::train(std::iter::empty(), 257, &["<end>"]).expect("trained")
}

fn read_text(text: &[u8], options: &EncodeOptions) -> Result<Examples, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, text).expect("written");
    read(&path, &tokenizer(), options).map_err(|error| {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}").replace(&path.display().to_string(), "FILE")
    })
}

#[test]
fn texts_become_tokens_with_a_border() {
    let text = b"{\"prompt\": \"ab\", \"completion\": \"c\", \"weight\": 0.5, \"other\": [1]}\r\n\n\
        {\"prompt\": \"\", \"completion\": \"xy\"}\n{\"prompt\": \"a\", \"completion\": \"b\", \"weight\": 0}";
    let read = read_text(text, &OPTIONS).expect("read");
    assert_eq!((read.examples.len(), read.weightless, read.truncated, read.dropped), (2, 1, 0, 0));
    let [first, second] = read.examples.as_slice() else { panic!("{read:?}") };
    assert_eq!((first.tokens.len(), first.completion, first.predicted(), first.inputs()), (4, 2, 2, 3));
    assert_eq!(first.tokens.last(), Some(&0));
    assert!((first.weight - 0.5).abs() < 1e-9);
    // Nothing comes before `x`, so it cannot be predicted.
    assert_eq!((second.completion, second.predicted()), (0, 2));
    let with_bos = read_text(text, &EncodeOptions { bos: Some(0), ..OPTIONS }).expect("read");
    assert_eq!((with_bos.examples[1].completion, with_bos.examples[1].predicted()), (1, 3));
}

#[test]
fn what_is_too_long_is_refused_dropped_or_cut() {
    let text =
        b"{\"prompt\": \"ab\", \"completion\": \"cdefghij\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}\n\
        {\"prompt\": \"abcdefgh\", \"completion\": \"b\"}";
    let with = |too_long| read_text(text, &EncodeOptions { too_long, ..OPTIONS });
    assert_eq!(
        with(TooLong::Refuse).expect_err("refused"),
        "cannot read FILE, line 1: field `completion`: with its prompt it has 11 tokens, more than 8"
    );
    let dropped = with(TooLong::Drop).expect("read");
    assert_eq!((dropped.examples.len(), dropped.dropped, dropped.truncated), (1, 2, 0));
    let cut = with(TooLong::Truncate).expect("read");
    assert_eq!((cut.examples.len(), cut.dropped, cut.truncated), (2, 1, 1));
    assert_eq!((cut.examples[0].tokens.len(), cut.examples[0].predicted()), (8, 6));
}

#[test]
fn errors_name_file_line_and_field() {
    let says = |line: &str| read_text(format!("\n{line}").as_bytes(), &OPTIONS).expect_err(line);
    let field = |rest: &str| says(&format!("{{\"prompt\": \"a\", {rest}}}"));
    let all = [
        says("{\"completion\": \"a\"}"),
        says("{\"prompt\": 1, \"completion\": \"a\"}"),
        says("{\"prompt\": \"a\""),
        says("[]"),
        field("\"completion\": null"),
        field("\"completion\": \"b\", \"weight\": \"1\""),
        field("\"completion\": \"b\", \"weight\": -1"),
        field("\"completion\": \"b\", \"weight\": 1e39"),
        says(""),
    ];
    insta::assert_snapshot!(all.join("\n"));
    let nothing = EncodeOptions { eos: None, ..OPTIONS };
    let error =
        read_text(b"{\"prompt\": \"\", \"completion\": \"b\"}", &nothing).expect_err("nothing to learn");
    assert!(error.contains("line 1: field `completion`: it has no token to learn"), "{error}");
    let error = read_text(b"{\"prompt\": \"\xff\"}", &OPTIONS).expect_err("no text");
    assert_eq!(error, "cannot read FILE, line 1: byte 13 of the line is not UTF-8");
    let missing = read_examples(Path::new("/nowhere/x.jsonl"), &tokenizer(), &OPTIONS).expect_err("missing");
    assert_eq!(missing.to_string(), "cannot read the examples");
    let folder = tempfile::tempdir().expect("a folder");
    let error = read(folder.path(), &tokenizer(), &OPTIONS).expect_err("a folder");
    assert!(matches!(error.cause, Cause::Directory));
}

#[test]
fn texts_come_in_order_until_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, "{\"prompt\": \"a\", \"completion\": \"b\"}\n\n{\"prompt\": \"c\"}")
        .expect("written");
    let mut seen = Vec::new();
    let mut upto = |most: usize| {
        seen.clear();
        let mut sink = |text: &str| {
            seen.push(text.to_owned());
            seen.len() < most
        };
        let read = read_texts(&path, &mut sink);
        (seen.concat(), read.is_ok())
    };
    assert_eq!(upto(1), ("a".to_owned(), true));
    assert_eq!(upto(2), ("ab".to_owned(), true));
    assert_eq!(upto(9), ("abc".to_owned(), false));
}

#[test]
fn a_share_is_held_out() {
    let example = |token: u32| Example { tokens: vec![token, token], completion: 1, weight: 1.0 };
    let all: Vec<_> = (0..10).map(example).collect();
    let counts = |share: f64, count: usize| hold_out(all[..count].to_vec(), share, 3).1.len();
    assert_eq!([counts(0.0, 10), counts(0.01, 10), counts(0.3, 10), counts(1.0, 10)], [0, 1, 3, 9]);
    assert_eq!([counts(0.5, 1), counts(0.5, 0)], [0, 0]);
    let (kept, held) = hold_out(all.clone(), 0.3, 3);
    assert!(kept.is_sorted_by_key(|e| e.tokens[0]) && held.is_sorted_by_key(|e| e.tokens[0]));
    let mut both = [kept, held.clone()].concat();
    both.sort_by_key(|example| example.tokens[0]);
    assert_eq!(both, all);
    assert_ne!(hold_out(all.clone(), 0.3, 4).1, held);
}

#[test]
fn a_file_of_which_nothing_is_left_says_why() {
    let options = EncodeOptions { too_long: TooLong::Drop, ..OPTIONS };
    let why = |weight: &str| {
        let text = format!("{{\"prompt\": \"a\", \"completion\": \"bcdefghijkl\", \"weight\": {weight}}}");
        read_text(text.as_bytes(), &options).expect_err("nothing is left")
    };
    assert_eq!(why("1"), "cannot read FILE: field `completion`: no record fits in 8 tokens");
    assert_eq!(why("0"), "cannot read FILE: field `weight`: it is 0 in every record");
}
