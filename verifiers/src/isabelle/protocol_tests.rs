//! The protocol against what a real server was recorded to say, and the dialogue under any order of messages.

use super::codec::Decoder;
use super::protocol::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn errors_before_a_task_exists_are_text_or_objects() {
    for (message, words) in [
        ("ERROR \"Bad command 'unknown'\"", "Bad command 'unknown'"),
        (
            r#"ERROR {"kind":"error","message":"Bad argument for command 'use_theories'","argument":"{\"bad\": 1}"}"#,
            "Bad argument for command 'use_theories'",
        ),
        (
            r#"ERROR {"kind":"error","message":"Malformed argument for command 'use_theories'","argument":"{bad"}"#,
            "Malformed argument for command 'use_theories'",
        ),
    ] {
        let mut dialogue = Dialogue::default();
        dialogue.sent(&Command::SessionStop { session_id: "x".to_owned() }).expect("nothing is open");
        let event = dialogue.heard(Reply::parse(message).expect("a reply")).expect("it was asked");
        assert_eq!(event, Event::Answer(Err(ServerError { message: words.to_owned() })));
    }
}

#[test]
fn names_and_arguments_are_told_apart_as_the_server_does() {
    assert_eq!(Reply::parse("OK"), Ok(Reply::Ok(serde_json::Value::Null)));
    assert_eq!(Reply::parse("OK\"a\""), Ok(Reply::Ok(json!("a"))));
    assert_eq!(Reply::parse("NOTE  [1]"), Ok(Reply::Note(json!([1]))));
    for bad in ["", "OKAY {}", "FINISHED {", "{\"OK\":1}", "NOTE \u{5}\u{6}x\u{5}"] {
        assert!(matches!(Reply::parse(bad), Err(ProtocolError::NotAReply { .. })), "{bad}");
    }
}

#[test]
fn commands_are_written_as_the_server_reads_them() {
    let text = |command: &Command| String::from_utf8(command.encode().expect("JSON")).expect("UTF-8");
    assert_eq!(text(&Command::Help), "help\n");
    assert_eq!(text(&Command::Shutdown), "shutdown\n");
    assert_eq!(text(&Command::Cancel { task: "t".to_owned() }), "cancel {\"task\":\"t\"}\n");
    let args = SessionArgs::safe("HOL", Vec::new(), Vec::new(), 1);
    let start = text(&Command::SessionStart(args));
    let (length, rest) = start.split_once('\n').expect("the long form");
    assert_eq!(length.parse::<usize>().expect("a length"), rest.len());
    for part in ["quick_and_dirty=false", "skip_proofs=false", "threads=1", "\"preferences\":\"\""] {
        assert!(rest.contains(part), "{part} in {rest}");
    }
}

#[test]
fn a_task_ends_once_and_only_if_it_was_begun() {
    let mut dialogue = Dialogue::default();
    let finished = || Reply::Finished(json!({"task":"t","ok":true,"return_code":0}));
    assert_eq!(dialogue.heard(finished()), Err(ProtocolError::UnknownTask { task: "t".to_owned() }));
    assert_eq!(dialogue.heard(Reply::Ok(json!({"task":"t"}))), Err(ProtocolError::Unasked));
    dialogue.sent(&Command::SessionStop { session_id: "s".to_owned() }).expect("nothing is open");
    assert_eq!(dialogue.sent(&Command::Help), Err(ProtocolError::Overtaken));
    let mut dialogue = Dialogue::default();
    dialogue.sent(&Command::SessionStop { session_id: "s".to_owned() }).expect("nothing is open");
    assert_eq!(dialogue.heard(Reply::Ok(json!({"task":"t"}))), Ok(Event::Started { task: "t".to_owned() }));
    assert!(matches!(dialogue.heard(finished()), Ok(Event::Ended { result: Ok(_), .. })));
    assert_eq!(dialogue.heard(finished()), Err(ProtocolError::UnknownTask { task: "t".to_owned() }));
}

#[test]
fn only_a_whole_and_faultless_status_is_sound() {
    let sound = json!({"percentage":100,"unprocessed":0,"running":0,"finished":10,"failed":0,"total":10,
        "consolidated":true,"canceled":false,"ok":true,"warned":0});
    let status = |value| typed::<NodeStatus>("a test", value).expect("a status");
    assert!(status(sound.clone()).is_sound());
    for (field, value) in [
        ("percentage", json!(99)),
        ("unprocessed", json!(3)),
        ("running", json!(1)),
        ("failed", json!(1)),
        ("consolidated", json!(false)),
        ("canceled", json!(true)),
        ("ok", json!(false)),
    ] {
        let mut other = sound.clone();
        other[field] = value;
        assert!(!status(other).is_sound(), "{field}");
    }
    let mut missing = sound;
    missing.as_object_mut().expect("an object").remove("consolidated");
    assert!(typed::<NodeStatus>("a test", missing).is_err(), "a field that decides may not be missing");
}

/// Python's bytes literal in the recorded logs.
fn unescaped(literal: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = literal.bytes();
    while let Some(byte) = rest.next() {
        let byte = match (byte, byte == b'\\') {
            (_, true) => match rest.next().expect("an escape") {
                b'n' => b'\n',
                b'x' => {
                    let digits =
                        [rest.next(), rest.next()].map(|digit| char::from(digit.expect("two digits")));
                    u8::from_str_radix(&String::from_iter(digits), 16).expect("hexadecimal")
                }
                other => other,
            },
            (byte, false) => byte,
        };
        bytes.push(byte);
    }
    bytes
}

fn recorded(name: &str) -> Option<String> {
    let data = std::env::var_os("PROOFLOOP_SHARED_DATA").map_or_else(
        || std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        std::path::PathBuf::from,
    );
    let folder = data.join("isabelle-server-logs");
    let text = std::fs::read_to_string(folder.join(name)).ok();
    if text.is_none() {
        eprintln!("skipped: {} is not there", folder.join(name).display());
    }
    text
}

/// Feeds a log to the dialogue: every command is followed by its answer, every task by its end.
fn replay(log: &str) -> Vec<(String, Result<serde_json::Value, Failure>)> {
    let mut decoder = Decoder::new(1 << 20);
    let mut dialogue = Dialogue::default();
    let mut started: Vec<(String, String)> = Vec::new();
    let mut command = String::new();
    let mut ended = Vec::new();
    for line in log.lines() {
        let Some((_, line)) = line.split_once("] ") else { continue };
        if let Some(sent) = line.strip_prefix(">>> ") {
            command = sent.split(' ').next().unwrap_or_default().to_owned();
            // The dialogue looks at nothing but whether a task is begun.
            let stand_in = match command.as_str() {
                "PASSWORD" | "cancel" | "purge_theories" => Command::Help,
                "use_theories" | "session_start" | "session_stop" => {
                    Command::SessionStop { session_id: String::new() }
                }
                other => panic!("a command that the log has not: {other}"),
            };
            dialogue.sent(&stand_in).expect("the one before was answered");
        } else if let Some(literal) = line.strip_prefix("<<< b'") {
            decoder.push(&unescaped(literal.strip_suffix('\'').expect("a literal")));
        }
        while let Some(message) = decoder.next_message().expect("whole messages") {
            match dialogue.heard(Reply::parse(&message).expect("a reply")).expect("in order") {
                Event::Started { task } => started.push((task, command.clone())),
                Event::Ended { task, result } => {
                    let at = started.iter().position(|(known, _)| *known == task).expect("it was begun");
                    ended.push((started.remove(at).1, result));
                }
                Event::Answer(answer) => drop(answer.expect("no error in these logs")),
                Event::Note(_) => {}
            }
        }
    }
    assert_eq!(decoder.held_bytes(), 0);
    ended
}

#[test]
fn recorded_exchanges_are_understood() {
    for (name, tasks, failures) in [("pure-session.log", 7, 1), ("pure-errors-cancel-purge.log", 9, 4)] {
        let Some(log) = recorded(name) else { return };
        let ended = replay(&log);
        assert_eq!(ended.len(), tasks, "{name}");
        assert_eq!(ended.iter().filter(|(_, result)| result.is_err()).count(), failures, "{name}");
        for (command, result) in ended {
            match (command.as_str(), result) {
                ("use_theories", Ok(value)) => drop(typed::<Theories>("use_theories", value).expect("typed")),
                ("session_start", Ok(value)) => {
                    drop(typed::<SessionStarted>("session_start", value).expect("typed"));
                }
                (_, Err(failure)) => {
                    let message = &failure.message;
                    assert!(!message.contains(['\u{5}', '\u{6}']), "{message}");
                    assert_eq!(
                        failure.return_code.is_some(),
                        message.contains("return code 139"),
                        "{message}"
                    );
                }
                (other, Ok(value)) => panic!("{other}: {value}"),
            }
        }
    }
}

#[test]
fn recorded_traps_are_not_sound() {
    let (Some(session), Some(errors)) =
        (recorded("pure-session.log"), recorded("pure-errors-cancel-purge.log"))
    else {
        return;
    };
    let mut seen = Vec::new();
    for (command, result) in replay(&session).into_iter().chain(replay(&errors)) {
        if let ("use_theories", Ok(value)) = (command.as_str(), result) {
            let theories: Theories = typed("use_theories", value).expect("typed");
            for node in theories.nodes {
                seen.push((node.theory_name, theories.ok, node.status.is_sound()));
            }
        }
    }
    let of = |name: &str| -> Vec<(bool, bool)> {
        seen.iter().filter(|(theory, ..)| theory == name).map(|(_, ok, sound)| (*ok, *sound)).collect()
    };
    // The server's `ok`, and ours. `sorry` is sound by status: only its oracle shows it.
    assert_eq!(of("Draft.PUnfin"), [(true, false)]);
    assert_eq!(of("Draft.PLoop"), [(true, false)]);
    assert_eq!(of("Draft.PExit"), [(true, false)]);
    assert_eq!(of("Draft.PSorry"), [(true, true)]);
    assert_eq!(of("Draft.PGood").first(), Some(&(true, true)));
    assert_eq!(of("Draft.PGood").last(), Some(&(false, false)), "a purged name was used again");
}

proptest! {
    #[test]
    fn every_result_reaches_its_task_in_any_order(order in prop::collection::vec(0_usize..6, 1..40)) {
        let mut dialogue = Dialogue::default();
        let (mut begun, mut ended) = (0, BTreeSet::new());
        for step in order {
            if step < 2 {
                dialogue.sent(&Command::UseTheories(UseTheories {
                    session_id: String::new(), theories: Vec::new(), master_dir: String::new(),
                    unicode_symbols: false, check_delay: 0.5, check_limit: 0, watchdog_timeout: 1.0,
                })).expect("answered");
                let note = Reply::Note(json!({"kind":"nodes_status","nodes_status":[]}));
                prop_assert!(matches!(dialogue.heard(note), Ok(Event::Note(_))));
                let event = dialogue.heard(Reply::Ok(json!({ "task": begun.to_string() })));
                prop_assert_eq!(event, Ok(Event::Started { task: begun.to_string() }));
                begun += 1;
            } else {
                let task = step - 2;
                let body = json!({ "task": task.to_string(), "kind": "error", "message": "Interrupt" });
                let reply = if step % 2 == 0 { Reply::Finished(body) } else { Reply::Failed(body) };
                let is_under_way = task < begun && ended.insert(task);
                let heard = dialogue.heard(reply);
                prop_assert_eq!(heard.is_ok(), is_under_way);
            }
        }
    }

    #[test]
    fn no_message_is_too_strange(message in "\\PC{0,60}|(OK|NOTE|FAILED|FINISHED|ERROR) ?[\\[\\]{}\":,a-z0-9]{0,30}") {
        if let Ok(reply) = Reply::parse(&message) {
            let mut dialogue = Dialogue::default();
            dialogue.sent(&Command::SessionStop { session_id: String::new() }).expect("nothing is open");
            let heard = dialogue.heard(reply);
            prop_assert!(!matches!(heard, Ok(Event::Ended { .. })), "no task was begun");
        }
    }
}
