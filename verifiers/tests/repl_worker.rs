//! The REPL worker against a protocol-faithful fake that can fail in every way, over real child processes.

mod fake_repl;

use fake_repl::{Fake, fake};
use proofloop_verifiers::lean::repl::protocol::ReplSeverity;
use proofloop_verifiers::lean::repl::{
    Ended, ReplError, ReplFailure, ReplOutcome, ReplSettings, ReplWorker, Stage,
};
use std::time::{Duration, Instant};

const GOOD: &str = "theorem good : 1 = 1 := by rfl";

/// Deadlines that a busy machine does not reach.
const LONG: Limits = Limits { command: Duration::from_secs(60), proof: Duration::from_secs(30) };

struct Limits {
    command: Duration,
    proof: Duration,
}

fn settings() -> ReplSettings {
    ReplSettings {
        header_timeout: LONG.command,
        command_timeout: LONG.command,
        proof_timeout: LONG.proof,
        max_reply_bytes: 1 << 20,
        max_command_output_bytes: 4 << 20,
        ..ReplSettings::default()
    }
}

/// For faults that are only seen by the clock.
fn impatient() -> ReplSettings {
    ReplSettings {
        command_timeout: Duration::from_millis(800),
        proof_timeout: Duration::from_secs(30),
        ..settings()
    }
}

fn errors(outcome: &ReplOutcome) -> Vec<&str> {
    let errors = outcome.response.messages.iter().filter(|message| message.severity == ReplSeverity::Error);
    errors.map(|message| message.data.as_str()).collect()
}

async fn good(worker: &mut ReplWorker<Fake>) {
    let outcome = worker.run("", GOOD).await.expect("a good candidate has an outcome");
    assert!(
        outcome.response.messages.is_empty()
            && outcome.response.sorries.is_empty()
            && outcome.foreign_bytes == 0,
        "{outcome:?}"
    );
}

/// Runs a candidate that has a fault between two good ones.
async fn between_good_ones(settings: ReplSettings, fault: &str) -> (Result<ReplOutcome, ReplFailure>, u64) {
    let Limits { command, proof } = LONG;
    let patient = ReplSettings { command_timeout: command, proof_timeout: proof, ..settings.clone() };
    let mut worker = ReplWorker::new(fake(), patient.clone());
    good(&mut worker).await;
    *worker.settings_mut() = settings;
    let result = worker.run("", &format!("example : 1 = 1 := by rfl -- fake:{fault}")).await;
    // The good ones must not fail by the clock of a busy machine.
    *worker.settings_mut() = patient;
    good(&mut worker).await;
    good(&mut worker).await;
    let started = worker.processes_started();
    worker.close().await;
    (result, started)
}

/// The fault does no harm: the outcome is there, in the first process.
async fn harmless(fault: &str) -> ReplOutcome {
    let (result, started) = between_good_ones(settings(), fault).await;
    let outcome = result.unwrap_or_else(|failure| panic!("{fault}: {failure:?}"));
    assert!(errors(&outcome).is_empty() && started == 1, "{fault}: {outcome:?}, {started}");
    outcome
}

/// The fault costs the process, and nobody else an outcome.
async fn fatal(settings: ReplSettings, fault: &str) -> ReplError {
    let (result, started) = between_good_ones(settings, fault).await;
    let failure = result.expect_err(fault);
    assert_eq!((failure.stage, failure.earlier_candidates, started), (Stage::Candidate, 1, 2), "{fault}");
    failure.error
}

#[tokio::test]
async fn candidates_get_their_own_messages_and_sorries() {
    let mut worker = ReplWorker::new(fake(), settings());
    good(&mut worker).await;
    let outcome = worker.run("", "theorem t : 2 = 2 := by\n  no_such_tactic").await.expect("an outcome");
    assert_eq!(errors(&outcome), ["unknown tactic"]);
    assert_eq!((outcome.response.messages[0].pos.line, outcome.response.messages[0].pos.column), (2, 2));
    let outcome = worker.run("", "theorem t : 2 = 2 := by\n  sorry").await.expect("an outcome");
    assert_eq!((outcome.response.sorries.len(), outcome.response.messages.len()), (1, 1));
    assert_eq!(outcome.response.messages[0].severity, ReplSeverity::Warning);
    assert_eq!(worker.processes_started(), 1);
}

#[tokio::test]
async fn no_candidate_sees_the_declarations_of_another() {
    let mut worker = ReplWorker::new(fake(), settings());
    let leak = "theorem leak : 1 = 2 := by rfl";
    let use_it = "theorem t : 1 = 2 := by exact leak";
    for header in ["", "import Lean", "", "import Lean", "-- a comment first\n"] {
        assert!(errors(&worker.run(header, leak).await.expect("an outcome")).is_empty());
        // Neither known, nor declared already.
        let outcome = worker.run(header, use_it).await.expect("an outcome");
        assert_eq!(errors(&outcome), ["Unknown identifier `leak`"], "{header:?}");
        assert!(errors(&worker.run(header, leak).await.expect("an outcome")).is_empty());
    }
    assert_eq!(worker.processes_started(), 1);
}

#[tokio::test]
async fn a_header_is_seen_by_its_own_candidates_only() {
    let mut worker = ReplWorker::new(fake(), settings());
    let header = "theorem given : 1 = 1 := by rfl";
    let body = "theorem t : 1 = 1 := by exact given";
    assert!(errors(&worker.run(header, body).await.expect("an outcome")).is_empty());
    assert_eq!(errors(&worker.run("", body).await.expect("an outcome")), ["Unknown identifier `given`"]);
}

#[tokio::test]
async fn a_bad_header_is_no_candidates_fault() {
    let mut worker = ReplWorker::new(fake(), settings());
    for _ in 0..2 {
        let failure = worker.run("open NoSuchNamespace", GOOD).await.expect_err("a bad header");
        assert_eq!(failure.stage, Stage::Header);
        assert!(
            matches!(&failure.error, ReplError::Header { messages } if messages.len() == 1),
            "{failure:?}"
        );
    }
    let failure = worker.run("import MissingModule", GOOD).await.expect_err("a missing import");
    assert!(matches!(&failure.error, ReplError::Refused { message } if message.contains("MissingModule")));
    good(&mut worker).await;
    assert_eq!(worker.processes_started(), 1);
    // `import` in a body is an error of the body.
    assert_eq!(errors(&worker.run("", "import Lean").await.expect("an outcome")).len(), 1);
}

#[tokio::test]
async fn printing_does_no_harm() {
    for fault in ["pieces", "late", "stderr", "unicode", "print_after"] {
        harmless(fault).await;
    }
    for fault in
        ["print_line", "print_glued", "print_blocks", "print_bytes", "print_open_object", "print_open_string"]
    {
        assert!(harmless(fault).await.foreign_bytes > 0, "{fault}");
    }
}

#[tokio::test]
async fn a_forged_reply_is_never_believed() {
    for fault in ["forge_early", "forge_glued", "forge_line", "forge_error", "forge_two", "print_inside"] {
        let error = fatal(settings(), fault).await;
        assert!(matches!(error, ReplError::Ambiguous), "{fault}: {error:?}");
    }
    let error = fatal(settings(), "forge_wrong").await;
    assert!(matches!(error, ReplError::Protocol { .. }), "{error:?}");
    let impatient = ReplSettings { proof_timeout: Duration::from_millis(200), ..impatient() };
    let error = fatal(impatient, "forge_and_hang").await;
    assert!(matches!(error, ReplError::Timeout { .. }), "{error:?}");
    let error = fatal(settings(), "forge_and_die").await;
    assert!(matches!(error, ReplError::Died { .. }), "{error:?}");
}

#[tokio::test]
async fn a_forgery_that_comes_late_costs_nobody_a_wrong_outcome() {
    let mut worker = ReplWorker::new(fake(), settings());
    worker.run("", "example : 1 = 1 := by rfl -- fake:forge_later").await.expect("nothing was forged yet");
    // The forged `{"env": …}` arrives while this one runs; it must not pass for its reply.
    let victim = worker.run("", "theorem t : 1 = 2 := by no_such_tactic -- fake:wait_for_forgery").await;
    let failure = victim.expect_err("two replies came for one command");
    assert!(matches!(failure.error, ReplError::Ambiguous | ReplError::Protocol { .. }), "{failure:?}");
    // Told from its own fault by what ran before it.
    assert_eq!(failure.earlier_candidates, 1);
    let again = worker.run("", "theorem t : 1 = 2 := by no_such_tactic").await.expect("a fresh process");
    assert_eq!(errors(&again), ["unknown tactic"]);
}

#[tokio::test]
async fn a_hanging_candidate_times_out_and_the_worker_goes_on() {
    let start = Instant::now();
    for fault in ["hang", "close_stdout"] {
        match (fault, fatal(impatient(), fault).await) {
            ("hang", ReplError::Timeout { limit }) => assert_eq!(limit, Duration::from_millis(800)),
            ("close_stdout", ReplError::Died { .. }) => {}
            (fault, error) => panic!("{fault}: {error:?}"),
        }
    }
    assert!(start.elapsed() < Duration::from_secs(300), "the fake sleeps for 1000 s");
}

#[tokio::test]
async fn a_death_says_how() {
    let error = fatal(settings(), "die").await;
    assert!(
        matches!(&error, ReplError::Died { ended: Ended::Exited { code: 1, stderr } } if stderr.contains("did this")),
        "{error:?}"
    );
    let error = fatal(settings(), "kill").await;
    assert!(matches!(&error, ReplError::Died { ended: Ended::Signaled { signal: 9 } }), "{error:?}");
    // After the reply, before the proof of it: not believed.
    let error = fatal(settings(), "exit_after").await;
    assert!(matches!(&error, ReplError::Died { ended: Ended::Exited { code: 7, .. } }), "{error:?}");
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    for fault in ["flood_line", "flood_blocks", "huge_line", "huge_reply"] {
        let error = fatal(settings(), fault).await;
        assert!(matches!(error, ReplError::Flooded { .. }), "{fault}: {error:?}");
    }
    let error = fatal(settings(), "flood_replies").await;
    assert!(matches!(error, ReplError::Protocol { .. } | ReplError::Ambiguous), "{error:?}");
    // With room for it, a huge line is just foreign text.
    let roomy = ReplSettings { max_reply_bytes: 32 << 20, max_command_output_bytes: 32 << 20, ..settings() };
    let (result, _) = between_good_ones(roomy, "huge_line").await;
    assert_eq!(result.map(|outcome| outcome.foreign_bytes).ok(), Some(10_000_001));
}

#[tokio::test]
async fn a_fault_in_a_header_is_told_from_one_in_a_candidate() {
    let mut worker = ReplWorker::new(fake(), settings());
    let failure = worker.run("-- fake:die", GOOD).await.expect_err("it dies");
    assert_eq!(failure.stage, Stage::Header);
    good(&mut worker).await;
}

#[tokio::test]
async fn a_worn_out_process_is_replaced_before_the_next_candidate() {
    let mut worker = ReplWorker::new(fake(), ReplSettings { max_uses: 2, ..settings() });
    for _ in 0..5 {
        good(&mut worker).await;
    }
    assert_eq!(worker.processes_started(), 3);
    let mut worker = ReplWorker::new(fake(), ReplSettings { max_headers: 2, ..settings() });
    for header in ["-- a", "-- b", "-- a", "-- c", "-- c", "-- a"] {
        assert!(worker.run(header, GOOD).await.is_ok());
    }
    assert_eq!(worker.processes_started(), 2);
    let mut worker = ReplWorker::new(fake(), ReplSettings { max_life_output_bytes: 1, ..settings() });
    good(&mut worker).await;
    good(&mut worker).await;
    assert_eq!(worker.processes_started(), 2);
}

#[tokio::test]
async fn a_process_past_its_memory_is_replaced_where_memory_is_known() {
    if !fake().is_sandboxed() {
        eprintln!("skipped: without the sandbox nobody measures memory");
        return;
    }
    let mut worker = ReplWorker::new(fake(), ReplSettings { max_memory_bytes: 1, ..settings() });
    good(&mut worker).await;
    good(&mut worker).await;
    assert_eq!(worker.processes_started(), 2);
    let error = fatal(settings(), "memory").await;
    assert!(matches!(error, ReplError::Died { ended: Ended::MemoryLimit }), "{error:?}");
}

#[tokio::test]
async fn a_call_that_is_dropped_takes_its_process_with_it() {
    let mut worker = ReplWorker::new(fake(), settings());
    good(&mut worker).await;
    let hanging = worker.run("", "example : 1 = 1 := by rfl -- fake:hang");
    assert!(tokio::time::timeout(Duration::from_millis(200), hanging).await.is_err());
    good(&mut worker).await;
    assert_eq!(worker.processes_started(), 2);
}

#[tokio::test]
async fn a_repl_that_is_not_there_is_an_infrastructure_failure() {
    let mut worker = ReplWorker::new(fake_repl::missing(), settings());
    let failure = worker.run("", GOOD).await.expect_err("there is nothing to run");
    assert!(matches!(failure.error, ReplError::Start(_)) && failure.stage == Stage::Start, "{failure:?}");
}

#[tokio::test]
async fn text_with_blank_lines_and_comment_signs_arrives_whole() {
    let mut worker = ReplWorker::new(fake(), settings());
    let body = "\n\n-- first\n# not a request\n\n\n{}\n\ntheorem t : 1 = 1 := by\n\n\n  no_such_tactic\n\n\n";
    let outcome = worker.run("\n\n", body).await.expect("an outcome");
    assert_eq!((errors(&outcome), outcome.response.messages[0].pos.line), (vec!["unknown tactic"], 12));
}

/// What the fake answers to a file of requests, and how it ends.
#[expect(clippy::disallowed_methods, reason = "our own fake, fed a file")]
fn fed(requests: &[u8]) -> (Vec<u8>, String, bool) {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut command = Command::new(fake_repl::PYTHON);
    command.args(["-I", "-S"]).arg(fake_repl::script());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("there is a Python");
    child.stdin.take().expect("piped").write_all(requests).expect("it is short");
    let output = child.wait_with_output().expect("it ends");
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success())
}

fn values(output: &[u8]) -> Vec<serde_json::Value> {
    let values = serde_json::Deserializer::from_slice(output).into_iter();
    values.map(|value| value.expect("the fake prints JSON")).collect()
}

#[test]
fn the_fake_answers_like_the_real_one_where_its_toy_language_reaches() {
    let root = std::env::var_os("PROOFLOOP_SHARED_DATA").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data").into(),
        std::path::PathBuf::from,
    );
    let root = root.join("repl-fixtures/raw/test");
    if !root.exists() {
        eprintln!("skipped: {} is not there (PROOFLOOP_SHARED_DATA)", root.display());
        return;
    }
    let names = [
        "assumption_proof",
        "dup_msg",
        "dup_sorries",
        "import_lean",
        "tactic_mode_sorry",
        "term_sorry",
        "unfinished_tactic_block",
        "unknown_environment",
        "unknown_proof_state",
    ];
    for name in names {
        let read = |suffix: &str| std::fs::read(root.join(format!("{name}{suffix}"))).expect("a golden file");
        let (output, _, ended_well) = fed(&read(".in"));
        assert!(ended_well, "{name}");
        assert_eq!(values(&output), values(&read(".expected.out")), "{name}");
    }
}

#[test]
fn the_fake_frames_and_dies_like_the_real_one() {
    // (requests, replies, whether it ends well, what it says)
    let cases: [(&str, usize, bool, &str); 9] = [
        ("", 0, true, ""),
        ("{\"cmd\": \"def f := 1\"}", 1, true, ""),
        ("{\"cmd\":   \n  \"def f := 1\"}  \n\n", 1, true, ""),
        ("# a comment\n\n-- another\n\n{\"cmd\": \"def f := 1\"}\n\n", 1, true, ""),
        // A second blank line ends it: the next request is never read.
        ("{\"cmd\": \"def f := 1\"}\n\n\n{\"cmd\": \"\"}\n\n", 1, true, ""),
        ("{\"cmd\": \"\"\n\n", 0, false, "Could not parse JSON:"),
        ("[1]\n\n", 0, false, "Could not parse as a valid JSON command:"),
        ("{\"command\": \"\"}\n\n", 0, false, "Could not parse as a valid JSON command:"),
        ("{\"cmd\": \"x\", \"env\": 5}\n\n{\"cmd\": \"x\"}\n\n", 2, true, ""),
    ];
    for (requests, replies, ends_well, said) in cases {
        let (output, stderr, ended_well) = fed(requests.as_bytes());
        assert_eq!((values(&output).len(), ended_well), (replies, ends_well), "{requests:?}: {stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}
