//! What is wrong with an input, and what must be said about it.

/// Record → what is said about it after the file and the line.
pub(crate) const BAD_RECORDS: &[(&str, &str)] = &[
    // No JSON object.
    ("proof by intimidation", "not JSON: expected value at line 1 column 1"),
    (r#"{"id":"a","kind":"lean","code":"theo"#, "the JSON ends too early, at column 36"),
    (r#"{"id":"a","kind":"lean""#, "the JSON ends too early, at column 23"),
    (r#"{"id":"a"} and more"#, "not JSON: trailing characters at line 1 column 12"),
    (r#"{"id":"\ud800"}"#, "not JSON: unexpected end of hex escape at line 1 column 14"),
    ("\0\0", "not JSON: expected value at line 1 column 1"),
    (r#"["a","lean"]"#, "expected a JSON object, found a list"),
    ("3", "expected a JSON object, found a number"),
    ("null", "expected a JSON object, found null"),
    // Which of the two is meant?
    (r#"{"id":"a","kind":"lean","code":"x","code":"y"}"#, "the key `code` is there twice"),
    (
        r#"{"id":"a","kind":"python","code":"","tests":[{"stdin":"1","stdout":"","stdin":"2"}]}"#,
        "the key `stdin` is there twice",
    ),
    // A field is missing.
    ("{}", "field `id` is missing"),
    (r#"{"id":"a"}"#, "field `kind` is missing"),
    (r#"{"id":"a","kind":"lean"}"#, "field `code` is missing"),
    (r#"{"id":"a","kind":"lean","completion":"x"}"#, "field `formal_statement` is missing"),
    (r#"{"id":"a","kind":"lean","formal_statement":"x"}"#, "field `completion` is missing"),
    (r#"{"id":"a","kind":"python","code":"x"}"#, "field `tests` is missing"),
    (r#"{"id":"a","kind":"python","tests":["assert f()"]}"#, "field `code` is missing"),
    (r#"{"id":"a","kind":"python","prompt":"x"}"#, "field `completion` is missing"),
    (r#"{"id":"a","kind":"python","prompt":"","completion":""}"#, "field `test` is missing"),
    (
        r#"{"id":"a","kind":"python","prompt":"","completion":"","test":"t"}"#,
        "field `entry_point` is missing",
    ),
    (
        r#"{"id":"a","kind":"python","code":"","tests":[{"stdin":""}]}"#,
        "field `tests`: missing field `stdout`",
    ),
    // A field has the wrong type.
    (r#"{"id":true,"kind":"lean","code":"x"}"#, "field `id` must be text, found a truth value"),
    (r#"{"id":"a","kind":3}"#, "field `kind` must be text, found a number"),
    (r#"{"id":"a","kind":"lean","code":3}"#, "field `code` must be text, found a number"),
    (
        r#"{"id":"a","kind":"lean","header":[],"formal_statement":"x","completion":"y"}"#,
        "field `header` must be text, found a list",
    ),
    (r#"{"id":"a","kind":"python","code":"","tests":"x"}"#, "field `tests` must be a list, found text"),
    (
        r#"{"id":"a","kind":"python","code":"","tests":[1]}"#,
        "field `tests` must be a list of texts, found a number",
    ),
    (
        r#"{"id":"a","kind":"python","code":"","tests":["assert 1",{"stdin":"","stdout":""}]}"#,
        "field `tests` must be a list of texts, found an object",
    ),
    // A field says nothing that means anything.
    (r#"{"id":"","kind":"lean","code":"x"}"#, "field `id`: it is empty"),
    (r#"{"id":"a","kind":"lean","code":" "}"#, "field `code`: it is empty"),
    (
        r#"{"id":"a","kind":"coq","code":"x"}"#,
        "field `kind`: `coq` is none of `lean`, `python` and `isabelle`",
    ),
    (r#"{"id":"a","kind":"python","code":"","tests":[]}"#, "field `tests`: it holds no test"),
];

/// Argument → what is said, word for word.
pub(crate) const BAD_FILES: &[(&str, &str)] = &[
    ("none.jsonl", "none.jsonl: the file cannot be opened: No such file or directory (os error 2)"),
    ("none.lean", "none.lean: the file cannot be opened: No such file or directory (os error 2)"),
    ("none.py", "none.py: the file cannot be opened: No such file or directory (os error 2)"),
    ("folder", "folder: it is a directory"),
    ("folder.lean", "folder.lean: it is a directory"),
    ("folder.py", "folder.py: it is a directory"),
    ("empty.jsonl", "empty.jsonl: the file holds no record"),
    ("blank.jsonl", "blank.jsonl: the file holds no record"),
    ("empty.lean", "empty.lean: the file holds no record"),
    ("empty.py", "empty.py: the file holds no record"),
    ("-", "<stdin>: the file holds no record"),
    (
        "untested.py",
        "untested.py: field `tests`: the file has no `assert` statement at its top level, so nothing would be tested",
    ),
];

/// Arguments → what the message must name.
pub(crate) const BAD_ARGUMENTS: &[(&[&str], &str)] = &[
    (&[], "Usage: proofloop <COMMAND>"),
    (&["prove"], "unrecognized subcommand 'prove'"),
    (&["verify"], "<INPUT>..."),
    (&["verify", "--frobnicate", "a.jsonl"], "unexpected argument '--frobnicate'"),
    (&["verify", "--timeout", "soon", "a.jsonl"], "invalid value 'soon' for '--timeout <TIMEOUT>'"),
    (&["verify", "--timeout", "0s", "a.jsonl"], "'--timeout <TIMEOUT>': must be from 10ms to 24h"),
    (&["verify", "--memory", "lots", "a.jsonl"], "invalid value 'lots' for '--memory <MEMORY>'"),
    (&["verify", "--memory", "1kB", "a.jsonl"], "'--memory <MEMORY>': must be from 16MiB to 32TiB"),
    (&["verify", "--jobs", "0", "a.jsonl"], "'--jobs <JOBS>': 0 is not in 1..=1024"),
    (&["verify", "--jobs", "many", "a.jsonl"], "invalid value 'many' for '--jobs <JOBS>'"),
    (&["verify", "--kind", "coq", "a.jsonl"], "'--kind <KIND>': expected `lean`, `python` or `isabelle`"),
    (&["verify", "--mode", "fast", "a.jsonl"], "[possible values: auto, batch, repl]"),
    (&["verify", "--format", "xml", "a.jsonl"], "[possible values: human, jsonl]"),
    (&["verify", "--guest", "python2", "a.jsonl"], "[possible values: python3.12, python3.15]"),
    (&["verify", "--bundled", "everything"], "[possible values: workbook]"),
    (&["verify", "--allow-missing-layer", "moat", "a.jsonl"], "no such layer; there are process-group, "),
    (&["verify", "--cache", "c", "--no-cache", "a.jsonl"], "cannot be used with"),
    (&["verify", "-", "-"], "error: standard input (`-`) can be read only once"),
    (&["train", "--data", "a.jsonl", "--out", "o"], "--model <DIR>"),
    (&["train", "--init", "nano", "--out", "o"], "--data <FILE.jsonl>"),
    (&["train", "--init", "huge", "--data", "a.jsonl", "--out", "o"], "[possible values: nano]"),
    (&["train", "--init", "nano", "--model", "m", "--data", "a.jsonl", "--out", "o"], "cannot be used with"),
    (&["train", "--init", "nano", "--lora", "8", "--data", "a.jsonl", "--out", "o"], "cannot be used with"),
    (
        &["train", "--init", "nano", "--data", "a.jsonl", "--out", "o", "--steps", "0"],
        "invalid value '0' for '--steps",
    ),
    (
        &["train", "--init", "nano", "--data", "a.jsonl", "--out", "o", "--steps", "1", "--epochs", "1"],
        "cannot be used with",
    ),
    (
        &["train", "--init", "nano", "--data", "a.jsonl", "--out", "o", "--eval-fraction", "1"],
        "must be above 0 and below 1",
    ),
    (&["train", "--model", "m", "--vocab", "300", "--data", "a.jsonl", "--out", "o"], "cannot be used with"),
    (&["train", "--model", "m", "--merge", "--data", "a.jsonl", "--out", "o"], "--lora <RANK>"),
    (
        &["train", "--model", "m", "--data", "a.jsonl", "--out", "o", "--device", "tpu"],
        "expected `cpu`, `cuda` or `cuda:N`",
    ),
    (&["generate", "--prompt", "p"], "--model <DIR>"),
    (&["generate", "--model", "m"], "--prompts <PROMPTS>"),
    (&["generate", "--model", "m", "--prompt", "p", "--prompts", "f"], "cannot be used with"),
    (&["generate", "--model", "m", "--prompt", "p", "--server", "http://x"], "cannot be used with"),
    (&["generate", "--server", "http://x", "--prompt", "p"], "--server-model <NAME>"),
    (&["generate", "--server", "x", "--server-model", "m", "--prompt", "p"], "setting `server`: "),
    (
        &["generate", "--server", "http://x", "--server-model", "m", "--prompt", "p", "--system", "s"],
        "--system is for --api chat",
    ),
    (&["generate", "--model", "m", "--prompt", "p", "--samples", "0"], "invalid value '0' for '--samples"),
    (
        &["generate", "--model", "m", "--prompt", "p", "--stream", "--samples", "2"],
        "--stream writes one sample of one prompt",
    ),
    (&["generate", "--model", "m", "--prompt", "p", "--stream", "--out", "o"], "cannot be used with"),
    (&["generate", "--model", "m", "--prompt", "p", "--api", "soap"], "[possible values: completions, chat]"),
    (&["doctor", "a.jsonl"], "unexpected argument 'a.jsonl'"),
];
