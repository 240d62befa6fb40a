//! Lines of MCP over a pair of streams.

use super::http::messages;
use super::mutate::broken;
use super::{Place, explore};
use proofloop::serve::mcp::talk;
use proptest::collection::vec;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, duplex};

/// An id that no other message has.
const LAST: u64 = 424_242;

/// Says these lines, closes, and hears everything.
async fn conversation(place: &Place, lines: &[Vec<u8>]) -> Vec<Value> {
    let (ours, theirs) = duplex(4096);
    let (read, write) = tokio::io::split(theirs);
    let talking = talk(Arc::clone(&place.app), "hostile", read, write);
    let (heard, mut said) = tokio::io::split(ours);
    let saying = async move {
        for line in lines {
            // It may have ended before.
            if said.write_all(line).await.is_err() || said.write_all(b"\n").await.is_err() {
                break;
            }
        }
        // Closing is the end of what is said, not of what is heard.
        let _gone = said.shutdown().await;
    };
    let hearing = async {
        let mut answers = Vec::new();
        let mut heard = BufReader::new(heard).lines();
        while let Some(line) = heard.next_line().await.expect("text") {
            answers.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
        }
        answers
    };
    // How it ends is its own affair: a conversation that never begins is an error.
    let (_ended, (), answers) = tokio::join!(talking, saying, hearing);
    answers
}

#[test]
fn in_the_middle_of_a_conversation() {
    let place = Place::new(None, |_| {});
    let line = |value: Value| value.to_string().into_bytes();
    explore(&vec(broken(messages()), 1..6), |broken_lines| {
        let mut lines = vec![line(messages()[0].clone()), line(messages()[1].clone())];
        lines.extend(broken_lines.into_iter().map(|(_, line)| line));
        lines.push(line(json!({"jsonrpc": "2.0", "id": LAST, "method": "ping"})));
        let answers = place.run(conversation(&place, &lines));
        assert!(answers.iter().all(|answer| answer["jsonrpc"] == "2.0"), "{answers:?}");
        // A line may have begun the conversation anew, in a version that has no ping: to say so is an answer, too.
        let last = answers.iter().find(|answer| answer["id"] == LAST);
        let is_answered = last.is_some_and(|pong| pong["result"] == json!({}) || pong["error"].is_object());
        assert!(is_answered, "no answer to the last message: {answers:?}");
    });
}

#[test]
fn at_the_beginning_of_a_conversation() {
    let place = Place::new(None, |_| {});
    explore(&vec(broken(messages()), 1..3), |lines| {
        let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
        let answers = place.run(conversation(&place, &lines));
        assert!(answers.iter().all(|answer| answer["jsonrpc"] == "2.0"), "{answers:?}");
    });
}
