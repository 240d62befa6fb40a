//! Bad input: every kind has an error of its own that names the place, and the good records are still read.

use proofloop_datasets::readers::{self, Format, Options};
use proofloop_datasets::{Problem, ReadError};
use std::error::Error as _;
use std::io::Write as _;
use std::path::Path;

const GOOD: &str = r#"{"name":"a","split":"test","formal_statement":"theorem a : 1 = 1 := by"}"#;
const ALSO_GOOD: &str =
    r#"{"name":"z","split":"valid","header":"","formal_statement":"theorem z : 2 = 2 := by"}"#;

fn read_bytes(bytes: Vec<u8>, format: Format) -> Vec<Result<Problem, ReadError>> {
    let reader = std::io::Cursor::new(bytes);
    readers::from_reader(Path::new("dir/file.jsonl"), reader, format, &Options::default()).collect()
}

/// The whole message, layer by layer, as the command line prints it.
fn message(error: &ReadError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The bad line between two good ones: what is said of it.
fn said_of(bad: &[u8]) -> String {
    let bytes = [GOOD.as_bytes(), b"\n", bad, b"\n", ALSO_GOOD.as_bytes(), b"\n"].concat();
    let results = read_bytes(bytes, Format::LeanJsonl);
    assert_eq!(results.len(), 3, "{results:?}");
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    message(results[1].as_ref().expect_err("the line in the middle is bad"))
}

#[test]
fn each_bad_line_is_named_and_costs_only_itself() {
    let prefix = "cannot read dir/file.jsonl, line 2: ";
    let cases: [(&[u8], &str); 15] = [
        (b"\xff\xfe", "byte 1 of the line is not UTF-8"),
        (br#"{"name":"b","split":"te"#, "the JSON ends too early, at column 23"),
        (b"{name: 1}", "not JSON: key must be a string at line 1 column 2"),
        (b"{\"name\":\"b\"} x", "not JSON: trailing characters at line 1 column 14"),
        (b"[1]", "expected a JSON object, found a list"),
        (b"null", "expected a JSON object, found null"),
        (br#"{"name":"b","split":"test"}"#, "field `formal_statement` is missing"),
        (br#"{"split":"test","formal_statement":"x"}"#, "field `name` is missing"),
        (br#"{"name":"b","formal_statement":"x"}"#, "field `split` is missing"),
        (br#"{"name":7,"split":"test","formal_statement":"x"}"#, "field `name` must be text, found a number"),
        (
            br#"{"name":"b","split":"test","formal_statement":null}"#,
            "field `formal_statement` must be text, found null",
        ),
        (
            br#"{"name":"b","split":"test","formal_statement":"x","header":["import"]}"#,
            "field `header` must be text, found a list",
        ),
        (
            br#"{"name":"b","split":"tset","formal_statement":"x"}"#,
            "field `split`: `tset` is no split that we know",
        ),
        (
            br#"{"name":"b","split":"test","formal_statement":"x","difficulty":2.5}"#,
            "field `difficulty` must be a whole number up to 255, found a number",
        ),
        (GOOD.as_bytes(), "the name `a` was used before, at record 1"),
    ];
    for (line, expected) in cases {
        assert_eq!(said_of(line), format!("{prefix}{expected}"), "{}", String::from_utf8_lossy(line));
    }
    assert!(
        said_of(br#"{"name":" ","split":"test","formal_statement":"x"}"#)
            .ends_with("field `name`: it is empty")
    );
    assert!(said_of(&vec![b'x'; (16 << 20) + 1]).ends_with("the line is longer than 16777216 bytes"));
    assert!(said_of("[".repeat(100_000).as_bytes()).contains("recursion limit exceeded"));
}

#[test]
fn a_file_without_records_is_an_error() {
    for (bytes, format) in [
        (&b""[..], Format::LeanJsonl),
        (b"\n \n\n", Format::HumanEval),
        (b"", Format::MbppSanitized),
        (b"[]", Format::MbppSanitized),
    ] {
        let results = read_bytes(bytes.to_vec(), format);
        let [Err(error)] = results.as_slice() else { panic!("{results:?}") };
        assert_eq!(message(error), "cannot read dir/file.jsonl: the file holds no record");
    }
}

#[test]
fn blank_lines_and_line_ends_of_other_systems_are_no_error() {
    let bytes = format!("\u{feff}{GOOD}\r\n\r\n  \n{ALSO_GOOD}").into_bytes();
    let results = read_bytes(bytes, Format::LeanJsonl);
    assert!(results.len() == 2 && results.iter().all(Result::is_ok), "{results:?}");
}

#[test]
fn python_formats_name_their_fields() {
    let said = |line: &str, format| message(&read_bytes(line.into(), format).remove(0).expect_err("bad"));
    let mbpp = r#"{"task_id":1,"text":"t","code":"c","test_list":["assert 1"]}"#;
    assert!(read_bytes(mbpp.into(), Format::Mbpp).remove(0).is_ok());
    let cases = [
        (mbpp.replace("[\"assert 1\"]", "[]"), "field `test_list`: there is no test"),
        (mbpp.replace("[\"assert 1\"]", "[1]"), "field `test_list` must be a list of texts, found a number"),
        (mbpp.replace("\"task_id\":1", "\"task_id\":975"), "field `task_id`: 975 is not from 1 to 974"),
        (
            mbpp.replace("\"task_id\":1", "\"task_id\":\"1\""),
            "field `task_id` must be a whole number, found text",
        ),
    ];
    for (line, expected) in cases {
        assert!(said(&line, Format::Mbpp).ends_with(expected), "{line}");
    }
    let human_eval = r#"{"task_id":"a/0","prompt":"p","canonical_solution":"s","test":"t"}"#;
    assert!(said(human_eval, Format::HumanEval).ends_with("line 1: field `entry_point` is missing"));
    assert!(
        said(r#"[{"task_id":1},7]"#, Format::MbppSanitized)
            .contains(", item 1: field `test_list` is missing")
    );
    assert!(said("[{", Format::MbppSanitized).ends_with("file.jsonl: the JSON ends too early, at column 2"));
}

#[test]
fn a_truncated_archive_gives_its_good_lines_and_an_error() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    for number in 0..1000 {
        writeln!(encoder, "{}", GOOD.replace("\"a\"", &format!("\"a{number}\"")))
            .expect("memory does not fail");
    }
    let mut bytes = encoder.finish().expect("memory does not fail");
    bytes.truncate(bytes.len() / 2);
    let results = read_bytes(bytes, Format::LeanJsonl);
    let good = results.iter().filter(|result| result.is_ok()).count();
    let last = results.last().and_then(|result| result.as_ref().err()).map(message);
    assert!(good > 300 && good == results.len() - 1, "{good} of {}", results.len());
    assert!(last.is_some_and(|said| said.contains("the file cannot be read any further")));
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let open = |path: &str| readers::open(Path::new(path), Format::LeanJsonl, &Options::default());
    let missing = open("/no/such/file.jsonl").expect_err("it is not there");
    assert!(message(&missing).starts_with("cannot read /no/such/file.jsonl: the file cannot be opened: "));
    let directory = open(env!("CARGO_MANIFEST_DIR")).expect_err("it is a directory");
    assert!(message(&directory).ends_with("it is a directory"));
}
