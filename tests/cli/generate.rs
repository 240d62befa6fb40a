//! `proofloop generate` as a user drives it.

use super::models::{END, replace, tiny};
use super::{Ran, directory, program, run, text, write};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// A folder with the tiny model and three prompts.
fn workplace() -> tempfile::TempDir {
    let directory = directory();
    tiny(&directory.path().join("tiny"));
    let prompts = "{\"prompt\": \"the cat\"}\n\n{\"prompt\": \"the dog\", \"task_id\": 7}\n{\"prompt\": \"\", \"name\": \"none\"}\n";
    write(directory.path(), "prompts.jsonl", prompts);
    directory
}

const ENGINE: &[&str] = &["generate", "--model", "tiny"];
const SHORT: &[&str] = &["--max-tokens", "8"];

/// Completions of the three prompts.
fn generate(directory: &Path, more: &[&str]) -> Ran {
    run(directory, &[ENGINE, &["--prompts", "prompts.jsonl"], SHORT, more].concat())
}

fn samples(results: &[Value]) -> Vec<(String, u64)> {
    results.iter().map(|result| (text(result, "id"), result["sample"].as_u64().expect("a number"))).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_more_samples_change_none() {
    let directory = workplace();
    let eight = generate(directory.path(), &["--samples", "8", "--seed", "5"]);
    assert_eq!(eight.code, 0, "{}", eight.err);
    let again =
        generate(directory.path(), &["--samples", "8", "--seed", "5", "--workers", "3", "--max-rows", "5"]);
    assert_eq!(eight.out, again.out);
    let ids = ["1", "7", "none"];
    let expected: Vec<_> = ids.iter().flat_map(|id| (0..8).map(move |n| ((*id).to_owned(), n))).collect();
    assert_eq!(samples(&eight.results()), expected);
    let four = generate(directory.path(), &["--samples", "4", "--seed", "5"]);
    let first: Vec<&str> =
        eight.out.lines().enumerate().filter(|(at, _)| at % 8 < 4).map(|(_, line)| line).collect();
    assert_eq!(four.out.lines().collect::<Vec<_>>(), first);
    assert_ne!(generate(directory.path(), &["--samples", "8", "--seed", "6"]).out, eight.out);
    // A prompt's samples depend on its id, and not on what comes before it.
    write(directory.path(), "one.jsonl", "{\"prompt\": \"the dog\", \"id\": \"7\"}\n");
    let alone = ["--prompts", "one.jsonl", "--samples", "8", "--seed", "5"];
    let alone = run(directory.path(), &[ENGINE, SHORT, &alone].concat());
    assert_eq!(alone.out.lines().collect::<Vec<_>>(), eight.out.lines().skip(8).take(8).collect::<Vec<_>>());
}

#[test]
fn a_line_has_every_documented_field() {
    let directory = workplace();
    let plain = generate(directory.path(), &[]);
    assert_eq!(plain.code, 0, "{}", plain.err);
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for result in plain.results() {
        assert_eq!(keys(&result), ["completion", "finish", "id", "sample", "tokens"]);
        assert!(["length", "end_of_text"].contains(&text(&result, "finish").as_str()), "{result}");
    }
    let full = generate(directory.path(), &["--log-probs", "--with-prompt"]);
    for (full, plain) in full.results().iter().zip(plain.results()) {
        assert_eq!(full["completion"], plain["completion"]);
        let log_probs = full["log_probs"].as_array().expect("a list");
        assert_eq!(log_probs.len() as u64, full["tokens"].as_u64().expect("a number"));
        assert!(log_probs.iter().all(|p| p.as_f64().is_some_and(|p| p <= 0.0)));
    }
    assert_eq!(full.results()[1]["prompt"], "the dog");
    assert!(plain.err.starts_with("3 samples in ") && plain.err.contains(" tokens/s)"), "{}", plain.err);
    // Greedy is the same whatever the seed, and a stop string ends it.
    let greedy = |more: &[&str]| generate(directory.path(), &[&["--temperature", "0"], more].concat());
    let (one, two) = (greedy(&["--seed", "1"]), greedy(&["--seed", "2"]));
    assert_eq!(one.out, two.out);
    let completion = text(&one.results()[0], "completion");
    let stop = completion.chars().nth(2).expect("three characters").to_string();
    let stopped = greedy(&["--stop", &stop]);
    let before = completion.split(&stop).next().expect("a part");
    assert_eq!(
        (text(&stopped.results()[0], "completion").as_str(), text(&stopped.results()[0], "finish").as_str()),
        (before, "stop")
    );
}

#[test]
fn a_file_is_gone_on_with() {
    let directory = workplace();
    let out = directory.path().join("out.jsonl");
    let whole = generate(directory.path(), &["--samples", "4"]).out;
    let to_file = |more: &[&str]| generate(directory.path(), &[&["--out", "out.jsonl"], more].concat());
    let ran = to_file(&["--samples", "2"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let refused = to_file(&["--samples", "4"]);
    let complaint = "error: `out.jsonl` is there already: give --resume to go on with it, or another name\n";
    assert_eq!((refused.code, refused.err.as_str()), (2, complaint));
    // As a crash may leave it.
    let mut text = fs::read_to_string(&out).expect("readable");
    text.truncate(text.len() - 9);
    fs::write(&out, &text).expect("written");
    let ran = to_file(&["--samples", "4", "--resume"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.starts_with("7 samples in "), "{}", ran.err);
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let there = fs::read_to_string(&out).expect("readable");
    assert_eq!(sorted(&there), sorted(&whole));
    let ran = to_file(&["--samples", "4", "--resume"]);
    assert_eq!((ran.code, fs::read_to_string(&out).expect("readable")), (0, there));
    assert!(ran.err.starts_with("0 samples in "), "{}", ran.err);
    fs::write(&out, "not mine\n").expect("written");
    let foreign = to_file(&["--resume"]);
    assert_eq!(foreign.code, 2);
    assert!(foreign.err.starts_with("error: cannot go on with out.jsonl, line 1: "), "{}", foreign.err);
    assert_eq!(fs::read_to_string(&out).expect("readable"), "not mine\n");
}

#[test]
fn bad_prompts_are_named_and_the_others_completed_in_order() {
    let directory = workplace();
    let long = "cat ".repeat(90);
    let lines = format!(
        "{{\"prompt\": \"a\", \"id\": \"a\"}}\n{{\"id\": \"b\"}}\nno\n{{\"prompt\": \"{long}\", \"id\": \"c\"}}\n{{\"prompt\": \"x\", \"id\": \"a\"}}\n{{\"prompt\": \"d\", \"id\": \"d\"}}\n"
    );
    write(directory.path(), "prompts.jsonl", lines);
    let ran = generate(directory.path(), &["--samples", "2"]);
    assert_eq!(ran.code, 2);
    let expected = ["a", "a", "d", "d"].map(str::to_owned);
    assert_eq!(ran.ids(), expected);
    let (errors, _) = ran.err.split_once("\n4 samples in ").expect("a sum");
    insta::assert_snapshot!(errors, @"
    error: cannot read prompts.jsonl, line 2: field `prompt` is missing
    error: cannot read prompts.jsonl, line 3: not JSON: expected ident at line 1 column 2
    error: cannot read prompts.jsonl, line 5: the name `a` was used before, at record 1
    error: cannot complete the prompt of prompts.jsonl, line 4: the prompt has 181 tokens, which leaves no room in a context of 64
    ");
    let nothing = [("empty.jsonl", ""), ("blank.jsonl", "\n\n"), ("empty.txt", "")];
    let says = nothing.map(|(name, content)| {
        write(directory.path(), name, content);
        let ran = run(directory.path(), &[ENGINE, &["--prompts", name]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        ran.err.lines().next().unwrap_or_default().to_owned()
    });
    insta::assert_snapshot!(says.join("\n"), @"
    error: cannot read empty.jsonl: the file holds no record
    error: cannot read blank.jsonl: the file holds no record
    error: cannot read empty.txt: the file holds no record
    ");
}

#[test]
fn wrong_models_and_settings_are_usage_errors() {
    let says = |damage: &dyn Fn(&Path), more: &[&str]| {
        let directory = workplace();
        damage(&directory.path().join("tiny"));
        let ran = generate(directory.path(), more);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        ran.err
    };
    let config = |folder: &Path| folder.join("config.json");
    let all = [
        says(&|folder| fs::remove_dir_all(folder).expect("removed"), &[]),
        says(&|folder| fs::remove_file(folder.join("tokenizer.json")).expect("removed"), &[]),
        says(&|folder| replace(&config(folder), "Qwen3ForCausalLM", "BertModel"), &[]),
        says(&|_| {}, &["--adapter", "none"]),
        says(&|_| {}, &["--temperature", "-1"]),
        says(&|_| {}, &["--top-p", "0"]),
        says(&|_| {}, &["--stop", ""]),
        says(&|_| {}, &["--max-context", "1"]),
        says(&|_| {}, &["--resume"]),
        says(&|_| {}, &["--stream"]),
    ];
    insta::assert_snapshot!(all.concat(), @"
    error: cannot use the model `tiny`: cannot read `tiny/config.json`: No such file or directory (os error 2)
    error: cannot use the model `tiny`: cannot read `tiny/tokenizer.json`: No such file or directory (os error 2)
    error: cannot use the model `tiny`: field `architectures` of the configuration: `BertModel` is not implemented, only LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM
    error: cannot use the model `tiny`: cannot read `none/adapter_config.json`: No such file or directory (os error 2)
    error: setting `temperature`: must be 0 or more, got -1
    error: setting `top_p`: must be above 0 and at most 1, got 0
    error: setting `stop`: an empty string would end everything at once
    error: setting `max_context`: must have room for a prompt and a token, got 1
    error: --resume needs a file: give one to --out
    error: --stream writes one sample of one prompt (--prompt or a .txt)
    ");
    if !cfg!(feature = "cuda") {
        assert!(says(&|_| {}, &["--device", "cuda"]).contains("`scripts/build-cuda.sh` builds one that has"));
    }
}

#[test]
fn one_prompt_can_be_text_and_be_seen_while_it_is_written() {
    let directory = workplace();
    write(directory.path(), "p.txt", "the red hat\n");
    let one = |more: &[&str]| {
        let ran = run(directory.path(), &[ENGINE, SHORT, more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran
    };
    let line = one(&["--prompts", "p.txt", "--with-prompt"]);
    let result = &line.results()[0];
    assert_eq!((text(result, "id").as_str(), text(result, "prompt").as_str()), ("p.txt", "the red hat"));
    let streamed = one(&["--prompts", "p.txt", "--stream"]);
    assert_eq!((streamed.out, streamed.err.as_str()), (text(result, "completion") + "\n", ""));
    let line = one(&["--prompt", "a mat"]);
    let streamed = one(&["--prompt", "a mat", "--stream"]);
    assert_eq!(streamed.out, text(&line.results()[0], "completion") + "\n");
}

#[test]
fn standard_input_is_read_like_a_file_and_a_reader_may_go() {
    let directory = workplace();
    let start = |more: &[&str]| {
        let mut command = program(directory.path(), &[ENGINE, SHORT, &["--prompts", "-"], more].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let mut child = start(&[]);
    child.stdin.take().expect("piped").write_all(b"{\"prompt\": \"the\"}\n[]\n").expect("written");
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    assert_eq!((ran.code, ran.ids()), (2, vec!["1".to_owned()]));
    assert!(ran.err.starts_with("error: cannot read <stdin>, line 2: expected a JSON object"), "{}", ran.err);
    let mut child = start(&["--samples", "5000"]);
    child.stdin.take().expect("piped").write_all(b"{\"prompt\": \"the\"}\n").expect("written");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    assert!(first.starts_with("{\"id\":\"1\",\"sample\":0,"), "{first}");
    assert_eq!((ran.code, ran.err.as_str()), (141, ""));
}

#[test]
fn an_interrupt_leaves_whole_lines_that_can_be_gone_on_with() {
    let directory = workplace();
    let more = ["--samples", "400", "--out", "out.jsonl", "--max-rows", "8"];
    let arguments = [ENGINE, &["--prompts", "prompts.jsonl", "--max-tokens", "30"], &more].concat();
    let mut child = program(directory.path(), &arguments).stderr(Stdio::piped()).spawn().expect("started");
    let out = directory.path().join("out.jsonl");
    while fs::metadata(&out).map_or(0, |metadata| metadata.len()) == 0 {
        assert_eq!(child.try_wait().expect("a status"), None);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    let there = fs::read_to_string(&out).expect("readable");
    let cut: Vec<Value> = there.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(ran.code, 130, "{}", ran.err);
    let left = format!("interrupted: {} samples were not drawn\n", 1200 - cut.len());
    assert!(ran.err.ends_with(&left), "{}", ran.err);
    let ran = run(directory.path(), &[&arguments[..], &["--resume"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines = fs::read_to_string(&out).expect("readable");
    let whole: std::collections::BTreeSet<_> = lines.lines().collect();
    assert_eq!((lines.lines().count(), whole.len()), (1200, 1200));
    let direct: Vec<&str> =
        arguments.iter().map(|&word| if word == "out.jsonl" { "-" } else { word }).collect();
    let direct = run(directory.path(), &direct);
    assert_eq!(direct.out.lines().collect::<std::collections::BTreeSet<_>>(), whole);
}

/// A server that answers every call with `status` and what `body` makes of its fields; it says how many there were.
fn server(status: &'static str, body: fn(&Value) -> Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("known");
    std::thread::Builder::new()
        .spawn(move || {
            for stream in listener.incoming() {
                answer(stream.expect("a call"), status, body);
            }
        })
        .expect("a thread");
    format!("http://{address}")
}

fn answer(stream: TcpStream, status: &str, body: fn(&Value) -> Value) {
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).expect("a header") > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content).expect("the body");
    let answer = body(&serde_json::from_slice(&content).expect("JSON")).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    let mut stream = stream;
    stream.write_all((head + &answer).as_bytes()).expect("answered");
}

fn asks(directory: &Path, url: &str, more: &[&str]) -> Ran {
    let arguments =
        ["generate", "--server", url, "--server-model", "m", "--prompts", "prompts.jsonl", "--attempts", "1"];
    let mut command = program(directory, &[&arguments, more].concat());
    command.env_remove("OPENAI_API_KEY").output().expect("the program starts").into()
}

#[test]
fn a_server_can_be_asked_instead() {
    let directory = workplace();
    let echo = |call: &Value| {
        let choice = |index| json!({"index": index, "text": format!(" {}!", call["prompt"].as_str().expect("a prompt")), "finish_reason": "stop"});
        let choices: Vec<_> = (0..call["n"].as_u64().unwrap_or(1)).map(choice).collect();
        json!({"choices": choices, "usage": {"prompt_tokens": 2, "completion_tokens": 3 * choices.len()}})
    };
    let ran = asks(directory.path(), &server("200 OK", echo), &["--samples", "3"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.ids(), ["1", "1", "1", "7", "7", "7", "none", "none", "none"]);
    assert_eq!(text(&ran.results()[4], "completion"), " the dog!");
    let refuses = |_: &Value| json!({"error": {"message": "no such key"}});
    let wrong_key = asks(directory.path(), &server("401 Unauthorized", refuses), &[]);
    assert_eq!((wrong_key.code, wrong_key.out.as_str()), (3, ""));
    insta::assert_snapshot!(wrong_key.err, @"
    error: the server refuses the API key (HTTP status 401): no such key
     hint: the key is read from the variable that --api-key-env names
    ");
    let rejects = |_: &Value| json!({"error": {"message": "too long"}});
    let rejected = asks(directory.path(), &server("400 Bad Request", rejects), &[]);
    assert_eq!(rejected.code, 2, "{}", rejected.err);
    let mut lines: Vec<_> = rejected.err.lines().take(3).collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @"
    error: cannot complete the prompt of prompts.jsonl, line 1: the server rejects the request (HTTP status 400): too long
    error: cannot complete the prompt of prompts.jsonl, line 3: the server rejects the request (HTTP status 400): too long
    error: cannot complete the prompt of prompts.jsonl, line 4: the server rejects the request (HTTP status 400): too long
    ");
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("known");
    let nobody = asks(directory.path(), &format!("http://{closed}"), &[]);
    assert_eq!((nobody.code, nobody.out.as_str()), (3, ""));
    assert!(
        nobody.err.starts_with(&format!("error: no server answers at http://{closed}/v1/completions: ")),
        "{}",
        nobody.err
    );
    assert!(nobody.err.contains("\n hint: look whether the server runs"), "{}", nobody.err);
}

#[test]
fn the_end_of_a_text_is_no_part_of_it() {
    let directory = workplace();
    let many = ["--prompts", "prompts.jsonl", "--samples", "200", "--max-tokens", "40"];
    let ran = run(directory.path(), &[ENGINE, &many].concat());
    let results = ran.results();
    let ended: Vec<_> = results.iter().filter(|result| result["finish"] == "end_of_text").collect();
    assert!(!ended.is_empty() && ended.len() < results.len(), "{} of {}", ended.len(), results.len());
    assert!(results.iter().all(|result| !text(result, "completion").contains(END)));
}
