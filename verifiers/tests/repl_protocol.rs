//! The REPL's protocol: its own golden outputs, and output cut and polluted in every way.
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

use proofloop_verifiers::lean::repl::protocol::{
    Command, CommandOptions, File, InfotreeKind, PickleEnvironment, PickleProofState, ProofStep, Request,
    Response, UnpickleEnvironment, UnpickleProofState,
};
use proofloop_verifiers::lean::repl::{CodecError, Frame, ReplyDecoder};
use proptest::prelude::*;
use std::path::PathBuf;

/// The golden files, as (name, requests, replies); none where the shared data is absent.
fn golden() -> Vec<(String, String, Vec<u8>)> {
    let root = std::env::var_os("PROOFLOOP_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let mut files = Vec::new();
    for folder in ["repl-fixtures/raw/test", "repl-fixtures/raw/test/Mathlib/test"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".expected.out") else { continue };
            let requests = std::fs::read_to_string(format!("{stem}.in")).expect("each output has its input");
            files.push((stem.to_owned(), requests, std::fs::read(&path).expect("it was listed")));
        }
    }
    if files.is_empty() {
        eprintln!("skipped: no golden files under {} (PROOFLOOP_SHARED_DATA)", root.display());
    }
    files.sort();
    files
}

fn decode(bytes: &[u8], piece_bytes: usize) -> Vec<Result<Frame, CodecError>> {
    let mut decoder = ReplyDecoder::new(1 << 20);
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece_bytes.max(1)) {
        decoder.push(piece);
        while let Some(frame) = decoder.next_frame().transpose() {
            let ends = matches!(frame, Err(CodecError::TooLong { .. }));
            frames.push(frame);
            if ends {
                return frames;
            }
        }
    }
    frames.extend(decoder.finish().transpose());
    frames
}

fn replies(bytes: &[u8]) -> Vec<Response> {
    let frames = decode(bytes, usize::MAX);
    frames
        .into_iter()
        .map(|frame| match frame {
            Ok(Frame::Reply { response, foreign_bytes: 0 }) => *response,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn every_golden_reply_is_read_whole() {
    let files = golden();
    if files.is_empty() {
        return;
    }
    assert_eq!(files.len(), 71);
    let (mut commands, mut steps, mut errors) = (0, 0, 0);
    for (name, requests, output) in &files {
        let asked = requests.split("\n\n").filter(|request| !request.trim().is_empty()).count();
        let replies = replies(output);
        assert_eq!(replies.len(), asked, "{name}");
        for reply in replies {
            match reply {
                Response::Command(_) => commands += 1,
                Response::ProofStep(_) => steps += 1,
                Response::Error(_) => errors += 1,
            }
        }
    }
    eprintln!("{commands} command replies, {steps} proof step replies, {errors} errors");
    assert!(commands > 90 && steps > 60 && errors > 2, "{commands} {steps} {errors}");
}

#[test]
fn no_field_of_a_golden_reply_is_lost() {
    let count = |value: &serde_json::Value, key: &str| {
        value.get(key).and_then(|list| list.as_array()).map_or(0, Vec::len)
    };
    for (name, _, output) in golden() {
        let raw = serde_json::Deserializer::from_slice(&output).into_iter::<serde_json::Value>();
        for (value, reply) in raw.map(|value| value.expect("golden")).zip(replies(&output)) {
            match reply {
                Response::Command(reply) => {
                    assert_eq!(value["env"], reply.env, "{name}");
                    assert_eq!(count(&value, "messages"), reply.messages.len(), "{name}");
                    assert_eq!(count(&value, "sorries"), reply.sorries.len(), "{name}");
                    assert_eq!(count(&value, "tactics"), reply.tactics.len(), "{name}");
                    assert_eq!(value.get("infotree"), reply.infotree.as_ref(), "{name}");
                    for (raw, sorry) in value["sorries"].as_array().into_iter().flatten().zip(&reply.sorries)
                    {
                        assert_eq!(raw["goal"], sorry.goal, "{name}");
                        assert_eq!(raw.get("pos").is_some(), sorry.pos.is_some(), "{name}");
                    }
                }
                Response::ProofStep(reply) => {
                    assert_eq!(value["proofState"], reply.proof_state, "{name}");
                    assert_eq!(count(&value, "goals"), reply.goals.len(), "{name}");
                    assert_eq!(count(&value, "traces"), reply.traces.len(), "{name}");
                    assert_eq!(
                        value.get("proofStatus").and_then(|s| s.as_str()),
                        reply.proof_status.as_deref()
                    );
                }
                Response::Error(reply) => assert_eq!(value["message"], reply.message, "{name}"),
            }
        }
    }
}

#[test]
fn golden_output_reads_the_same_however_it_is_cut() {
    for (name, _, output) in golden() {
        let whole = decode(&output, usize::MAX);
        let pieces: &[usize] = if output.len() < 5_000 { &[1, 2, 3, 7, 64] } else { &[61] };
        for piece_bytes in pieces {
            assert_eq!(decode(&output, *piece_bytes), whole, "{name}");
        }
    }
}

#[test]
fn requests_have_the_fields_that_the_repl_tells_them_by() {
    let options =
        CommandOptions { all_tactics: true, root_goals: false, infotree: Some(InfotreeKind::Original) };
    let plain = CommandOptions::default;
    let cases = [
        (
            Request::Command(Command { cmd: "def f := 1\n\n-- ∀".to_owned(), env: None, options: plain() }),
            r#"{"cmd":"def f := 1\n\n-- ∀"}"#,
        ),
        (
            Request::Command(Command { cmd: "x".to_owned(), env: Some(3), options }),
            r#"{"cmd":"x","env":3,"allTactics":true,"infotree":"original"}"#,
        ),
        (Request::File(File { path: "a".to_owned(), env: None, options: plain() }), r#"{"path":"a"}"#),
        (
            Request::ProofStep(ProofStep { tactic: "rfl".to_owned(), proof_state: 2 }),
            r#"{"tactic":"rfl","proofState":2}"#,
        ),
        (
            Request::PickleEnvironment(PickleEnvironment { pickle_to: "a".to_owned(), env: 1 }),
            r#"{"pickleTo":"a","env":1}"#,
        ),
        (
            Request::UnpickleEnvironment(UnpickleEnvironment { unpickle_env_from: "a".to_owned() }),
            r#"{"unpickleEnvFrom":"a"}"#,
        ),
        (
            Request::PickleProofState(PickleProofState { pickle_to: "a".to_owned(), proof_state: 1 }),
            r#"{"pickleTo":"a","proofState":1}"#,
        ),
        (
            Request::UnpickleProofState(UnpickleProofState {
                unpickle_proof_state_from: "a".to_owned(),
                env: None,
            }),
            r#"{"unpickleProofStateFrom":"a"}"#,
        ),
    ];
    for (request, expected) in cases {
        let bytes = request.encode().expect("it can be encoded");
        assert_eq!(String::from_utf8_lossy(&bytes), format!("{expected}\n\n"));
    }
}

#[test]
fn printed_text_is_told_from_replies() {
    let reply = "{\"env\": 1}\n\n";
    let read = |text: &str| decode(text.as_bytes(), 5);
    let is_reply = |frame: &Result<Frame, CodecError>, foreign: usize| matches!(frame, Ok(Frame::Reply { foreign_bytes, .. }) if *foreign_bytes == foreign);
    // Before, in all ways: the reply is found behind it.
    for foreign in [
        "hello\n",
        "no line end",
        "{",
        "{\"a\": ",
        "{\"a\": \"",
        "{\"a\": \"\\",
        "[{\"b\": [",
        "{\"x\": 1}\n",
        "\"",
        "{{{{",
        "{\"messages\": [\n",
        "\u{feff}",
        "{\"env\"",
        "\\u12",
        "{\"message\": \"",
    ] {
        let frames = read(&format!("{foreign}{reply}"));
        assert!(frames.len() == 1 && is_reply(&frames[0], foreign.len()), "{foreign:?}: {frames:?}");
    }
    // In blocks of its own: they are foreign, and the reply stands alone.
    let frames = read(&format!("one\n\n\n\ntwo {{\n\n[1]\n\n{{\"time\": 3}}\n\n{reply}after\n\n"));
    assert_eq!(frames.iter().filter(|frame| is_reply(frame, 0)).count(), 1);
    assert_eq!(frames.len(), 6);
    // A second reply in the block, or text behind it: ambiguous.
    for text in [
        format!("{{\"env\": 1}}{reply}"),
        format!("{{\"env\": 1}}\n{reply}"),
        "{\"env\": 1}\nafter\n\n".to_owned(),
        "{\"message\": \"x\"}{\"env\": 1}".to_owned(),
        "{\"env\": 1} {\n\n".to_owned(),
        "[{\"env\": 1}]\n\n".to_owned(),
    ] {
        assert_eq!(read(&text), [Err(CodecError::Ambiguous)], "{text:?}");
    }
    // Not a reply, though JSON.
    for text in [
        "{\"env\": -1}",
        "{\"env\": \"1\"}",
        "{\"env\": 1, \"env\": 1}",
        "{\"env\": 1, \"message\": \"x\"}",
        "{}",
        "{\"message\": \"x\", \"more\": 1}",
        "{\"env\": null}",
        "{\"proofState\": 1}",
    ] {
        assert!(matches!(read(text).as_slice(), [Ok(Frame::Foreign { .. })]), "{text:?}: {:?}", read(text));
    }
}

#[test]
fn a_block_that_is_too_long_is_an_error_and_memory_stays_bounded() {
    let mut decoder = ReplyDecoder::new(1000);
    for _ in 0..4 {
        decoder.push(&[b'x'; 250]);
        assert_eq!(decoder.next_frame(), Ok(None));
    }
    decoder.push(b"y");
    assert_eq!(decoder.next_frame(), Err(CodecError::TooLong { limit_bytes: 1000 }));
    assert_eq!(decoder.next_frame(), Err(CodecError::TooLong { limit_bytes: 1000 }));
}

#[test]
fn tangled_text_takes_bounded_work() {
    for tangle in ["{\"a\":[1,", "{\"", "{\"{\":", "{\"a\":{\"b\":1},", "{ ", "{\"env\":0,\"a\":"] {
        let text = tangle.repeat((1 << 20) / tangle.len() - 1);
        let frames = decode(text.as_bytes(), 1 << 16);
        assert_eq!(frames.len(), 1, "{tangle}");
        assert!(!matches!(frames[0], Ok(Frame::Reply { .. })), "{tangle}");
    }
}

fn noise() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("{"),
        Just("}"),
        Just("\""),
        Just("\\"),
        Just("["),
        Just("]"),
        Just(":"),
        Just(","),
        Just("\n"),
        Just("env"),
        Just("\"env\""),
        Just("1"),
        Just(" "),
        Just("message"),
        Just("∀"),
        Just("\r"),
        Just("{\"a\":"),
        Just("null"),
    ];
    proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_cutting_never_matters(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), piece_bytes in 1_usize..50,
    ) {
        prop_assert_eq!(decode(&bytes, piece_bytes), decode(&bytes, usize::MAX));
    }

    #[test]
    fn json_like_text_never_panics_and_cutting_never_matters(text in noise(), piece_bytes in 1_usize..9) {
        prop_assert_eq!(decode(text.as_bytes(), piece_bytes), decode(text.as_bytes(), usize::MAX));
    }

    /// The claim that the worker rests on: whatever is printed before a reply, in the same block or not, the real
    /// reply is found as it is, or the block is an error. It is never lost inside other text, and never changed.
    #[test]
    fn text_before_a_reply_never_hides_it(text in noise(), env in 0_u64..1000) {
        let reply = format!("{{\"messages\":\n [{{\"severity\": \"info\",\n   \"pos\": {{\"line\": 1, \"column\": 0}},\n   \
             \"endPos\": null,\n   \"data\": \"a {{ b\"}}],\n \"env\": {env}}}\n\n");
        let frames = decode(format!("{text}{reply}").as_bytes(), 7);
        let whole = replies(reply.as_bytes());
        match frames.last() {
            Some(Ok(Frame::Reply { response, .. })) => prop_assert_eq!(&**response, &whole[0]),
            Some(Err(CodecError::Ambiguous)) => {}
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
