//! `proofloop bench fake-repl`: a stand-in for leanprover-community/repl that costs next to nothing, so that what is
//! measured is the server.
//!
//! It keeps the REPL's protocol: a JSON object and one blank line in, a JSON object and one blank line out,
//! environments numbered from 0. Of Lean it knows what `proofloop`'s own questions need: `#print "…"`, and `#check` of a
//! name, which is there only if a `theorem` of the same command has it. A comment asks for more: `fake:sleep=MILLIS`,
//! `fake:hang`, `fake:die`, `fake:flood`.

use anyhow::Context;
use proofloop_verifiers::lean::repl::protocol::{CommandResponse, Pos, ReplMessage, ReplSeverity};
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// A request, as far as it matters.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    cmd: Cow<'a, str>,
}

/// What a command's comment asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Answer { after: Duration },
    Hang,
    Die,
    Flood,
}

impl Wish {
    fn of(text: &str) -> Self {
        let Some((_, wish)) = text.split_once("fake:") else { return Self::Answer { after: Duration::ZERO } };
        let end = wish.find(|c: char| !(c.is_ascii_alphanumeric() || c == '=')).unwrap_or(wish.len());
        match &wish[..end] {
            "hang" => Self::Hang,
            "die" => Self::Die,
            "flood" => Self::Flood,
            other => {
                let millis = other.strip_prefix("sleep=").and_then(|millis| millis.parse().ok());
                Self::Answer { after: Duration::from_millis(millis.unwrap_or_default()) }
            }
        }
    }
}

/// Answers until its input ends.
///
/// # Errors
/// Standard input or output is gone, or a snippet has asked for it.
pub(in super::super) fn run() -> anyhow::Result<()> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut request = Vec::new();
    let mut env = 0;
    loop {
        let begin = request.len();
        if input.read_until(b'\n', &mut request)? == 0 {
            return Ok(());
        }
        if !request[begin..].trim_ascii().is_empty() {
            continue;
        }
        let reply = reply(&request, env)?;
        env += 1;
        request.clear();
        match reply {
            Ok(reply) => output.write_all(&reply)?,
            Err(Wish::Hang) => std::thread::sleep(Duration::from_secs(3600)),
            Err(Wish::Flood) => loop {
                output.write_all(&[b'x'; 1 << 16])?;
            },
            Err(Wish::Die | Wish::Answer { .. }) => anyhow::bail!("a snippet has asked for this"),
        }
        output.flush()?;
    }
}

/// Sleeps, and is awake for the last quarter of a millisecond: what the kernel oversleeps is not the server's.
fn exactly(after: Duration) {
    let end = Instant::now() + after;
    std::thread::sleep(after.saturating_sub(Duration::from_micros(250)));
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// The reply to a request, in one piece, or what it asks for instead.
fn reply(request: &[u8], env: u64) -> anyhow::Result<Result<Vec<u8>, Wish>> {
    let request: Request<'_> = serde_json::from_slice(request).context("no request")?;
    let after = match Wish::of(&request.cmd) {
        Wish::Answer { after } => after,
        wish @ (Wish::Hang | Wish::Die | Wish::Flood) => return Ok(Err(wish)),
    };
    if !after.is_zero() {
        exactly(after);
    }
    let messages = messages(&request.cmd);
    let response =
        CommandResponse { env, messages, sorries: Vec::new(), tactics: Vec::new(), infotree: None };
    let mut reply = serde_json::to_vec(&response)?;
    reply.extend_from_slice(b"\n\n");
    Ok(Ok(reply))
}

fn messages(text: &str) -> Vec<ReplMessage> {
    let mut messages = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let message = |severity, data: String| ReplMessage {
            severity,
            pos: Pos { line: number, column: 0 },
            end_pos: None,
            data,
        };
        if let Some(quoted) = line.strip_prefix("#print \"") {
            messages.push(message(ReplSeverity::Info, quoted.trim_end_matches('"').to_owned()));
        } else if let Some(name) = line.strip_prefix("#check ") {
            let name = name.trim().trim_start_matches('@');
            messages.push(if text.contains(&format!("theorem {name} ")) {
                message(ReplSeverity::Info, format!("{name} : True"))
            } else {
                message(ReplSeverity::Error, format!("Unknown identifier `{name}`"))
            });
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes() {
        let millis = |millis| Wish::Answer { after: Duration::from_millis(millis) };
        for (text, expected) in [
            ("theorem t : True := trivial", millis(0)),
            ("theorem t : True := trivial -- fake:sleep=50", millis(50)),
            ("-- fake:sleep=7\n#check t", millis(7)),
            ("-- fake:hang", Wish::Hang),
            ("-- fake:die\n", Wish::Die),
            ("-- fake:flood", Wish::Flood),
        ] {
            assert_eq!(Wish::of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_there_only_if_the_command_has_it() {
        let told = |text: &str| {
            let messages = messages(text);
            messages
                .into_iter()
                .map(|message| (message.pos.line, message.severity, message.data))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told("#check proofloop_1"),
            [(1, ReplSeverity::Error, "Unknown identifier `proofloop_1`".to_owned())]
        );
        let text = "theorem _k0_a : T := x\n#check @_k0_a\n#print \"a end\"";
        assert_eq!(
            told(text),
            [(2, ReplSeverity::Info, "_k0_a : True".to_owned()), (3, ReplSeverity::Info, "a end".to_owned()),]
        );
    }
}
