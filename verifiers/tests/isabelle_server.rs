//! The worker against the fake server: whole sessions, and every fault that we could think of. With `PROOFLOOP_ISABELLE` set,
//! the same against a real one, without the faults.

#[expect(dead_code, reason = "shared with other tests")]
mod fake_isabelle;

use fake_isabelle::{alone, left, mark, processes_with, settings, source, theory, worker};
use proofloop_verifiers::isabelle::theory::Layout;
use proofloop_verifiers::isabelle::{Checked, Worker};
use proofloop_verifiers::verdict::{Reason, Severity, Verdict};
use std::time::{Duration, Instant};

const TRUE: &str = "theorem t: \"(1::nat) + 1 = 2\"";
const FALSE: &str = "theorem t: \"(1::nat) + 1 = 3\"";

fn honest() -> Layout {
    theory(TRUE, "", "by simp")
}

async fn check(worker: &mut Worker, layout: &Layout) -> Checked {
    let started = Instant::now();
    let checked = worker.check(layout).await;
    // Twice: what a used server does not survive is checked once more.
    assert!(
        started.elapsed() < Duration::from_secs(120),
        "{:?} after {:?}",
        checked.verdict,
        started.elapsed()
    );
    checked
}

#[tokio::test]
async fn theories_are_checked_one_after_the_other_in_one_session() {
    let _alone = alone().await;
    let Some(mut worker) = worker("").await else { return };
    let checked = check(&mut worker, &honest()).await;
    assert!(checked.verdict.is_accepted(), "{checked:?}");
    assert_eq!(checked.ran.servers, 1);
    assert!(checked.ran.cpu > Duration::ZERO && checked.ran.peak_memory_bytes > 1 << 20, "{:?}", checked.ran);
    assert!(
        checked.ran.protection.contains(&"net-namespace-loopback".to_owned()),
        "{:?}",
        checked.ran.protection
    );
    let checked = check(&mut worker, &theory(FALSE, "", "\n  by simp")).await;
    assert_eq!(checked.verdict, Verdict::Rejected { reason: Reason::ElaborationError });
    let error =
        checked.messages.iter().find(|message| message.severity == Severity::Error).expect("an error");
    assert_eq!(error.line, Some(2));
    assert!(error.text.starts_with("Failed to finish proof"), "{error:?}");
    // What the policy refuses before a run leaves its trace all the same.
    for (lemmas, proof, reason) in [
        ("", "sorry", Reason::Sorry),
        ("lemma h: \"False\" sorry\n", "using h by simp", Reason::Sorry),
        ("", "oops", Reason::MissingDeclaration),
        ("", "by eval", Reason::NativeEvaluation),
        ("", "proof - show ?thesis by (no_such_method) qed", Reason::ElaborationError),
        ("", "proof -", Reason::ElaborationError),
    ] {
        let statement = if proof == "by eval" { TRUE } else { FALSE };
        let checked = check(&mut worker, &theory(statement, lemmas, proof)).await;
        let Verdict::Rejected { reason: found } = checked.verdict else { panic!("{proof}: {checked:?}") };
        // Of an unfinished proof, Isabelle says at our own command that there is no such fact.
        assert!(
            found == reason || proof == "proof -" && found == Reason::MissingDeclaration,
            "{proof}: {found:?}"
        );
    }
    let Verdict::Unavailable { cause } =
        check(&mut worker, &theory("theorem t: \"(1 = \"", "", "by simp")).await.verdict
    else {
        panic!("the statement is broken")
    };
    assert!(cause.contains("pinned"), "{cause}");
    assert!(check(&mut worker, &honest()).await.verdict.is_accepted());
    assert_eq!(worker.servers_started(), 1);
    worker.close().await;
    assert_eq!(processes_with(&mark()), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_is_replaced_after_so_many_checks() {
    let _alone = alone().await;
    let Some(source) = source("").await else { return };
    let mut settings = settings();
    settings.max_uses = 2;
    let mut worker = Worker::new(source, settings);
    for _ in 0..5 {
        assert!(check(&mut worker, &honest()).await.verdict.is_accepted());
    }
    assert_eq!(worker.servers_started(), 3);
}

fn is_failure(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Unavailable { .. } | Verdict::Crashed { .. } | Verdict::Timeout)
}

#[tokio::test]
async fn whatever_breaks_is_never_accepted_and_the_next_one_is_judged() {
    let _alone = alone().await;
    let Some(mut worker) = worker("").await else { return };
    if fake_isabelle::is_real() {
        return;
    }
    type Expected = fn(&Verdict) -> bool;
    let faults: [(&str, Expected); 17] = [
        ("die", |verdict| matches!(verdict, Verdict::Crashed { how } if how.contains("139"))),
        ("hang", |verdict| *verdict == Verdict::Timeout),
        ("sleep:100", |verdict| *verdict == Verdict::Timeout),
        ("close", is_failure),
        ("half", is_failure),
        ("half-hang", is_failure),
        ("garbage", |verdict| matches!(verdict, Verdict::Unavailable { .. })),
        ("not-utf8", |verdict| matches!(verdict, Verdict::Unavailable { .. })),
        ("forged-finish", |verdict| matches!(verdict, Verdict::Unavailable { .. })),
        ("flood", |verdict| *verdict == Verdict::OutputLimit),
        ("endless-line", |verdict| *verdict == Verdict::OutputLimit),
        ("server-exit", |verdict| matches!(verdict, Verdict::Crashed { .. })),
        ("server-kill", |verdict| matches!(verdict, Verdict::Crashed { .. })),
        ("memory:900", |verdict| *verdict == Verdict::MemoryLimit),
        ("big:10485760", Verdict::is_accepted),
        ("many:500", Verdict::is_accepted),
        ("pieces", Verdict::is_accepted),
    ];
    for (fault, expected) in faults {
        let layout = theory(TRUE, "", &format!("by simp (* fake:{fault} *)"));
        let checked = check(&mut worker, &layout).await;
        assert!(expected(&checked.verdict), "{fault}: {checked:?}");
        let after = check(&mut worker, &honest()).await;
        assert!(after.verdict.is_accepted(), "after {fault}: {after:?}");
    }
    // The same on top of proofs that are none.
    for fault in ["die", "hang", "forge", "big:10485760", "half"] {
        let layout = theory(FALSE, "", &format!("sorry (* fake:{fault} *)"));
        let checked = check(&mut worker, &layout).await;
        assert!(!checked.verdict.is_accepted(), "{fault}: {checked:?}");
    }
    worker.close().await;
    assert_eq!(processes_with(&mark()), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_is_not_to_be_trusted_judges_nothing() {
    let _alone = alone().await;
    for fault in [
        "no-line",
        "wrong-line",
        "exit",
        "wrong-password",
        "no-heap",
        "no-sorry-trace",
        "never-consolidated",
        "deaf-purge",
    ] {
        let Some(mut worker) = worker(fault).await else { return };
        let checked = check(&mut worker, &honest()).await;
        assert!(matches!(checked.verdict, Verdict::Unavailable { .. }), "{fault}: {checked:?}");
        drop(worker);
    }
    assert_eq!(left(&[&mark()]).await, Vec::<String>::new());
}

#[tokio::test]
async fn notes_between_a_command_and_its_answer_confuse_nobody() {
    let _alone = alone().await;
    let Some(mut worker) = worker("note-first").await else { return };
    assert!(check(&mut worker, &honest()).await.verdict.is_accepted());
}

#[tokio::test]
async fn a_session_that_cannot_be_stopped_dies_with_its_server() {
    let _alone = alone().await;
    let Some(mut worker) = worker("deaf-stop").await else { return };
    let layout = theory(TRUE, "", "by simp (* fake:hang *)");
    assert_eq!(check(&mut worker, &layout).await.verdict, Verdict::Timeout);
    assert_eq!(processes_with(&mark()), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_outlives_a_server_that_is_dropped() {
    let _alone = alone().await;
    let Some(mut source) = source("orphan").await else { return };
    let seconds = format!("{}.5", 100_000 + std::process::id());
    source.installation.env.insert("FAKE_ORPHAN".to_owned(), seconds.clone());
    let mut worker = Worker::new(source, settings());
    assert!(check(&mut worker, &honest()).await.verdict.is_accepted());
    assert_eq!(processes_with(&seconds).len(), 1, "the daemon runs");
    let hanging = theory(TRUE, "", "by simp (* fake:hang *)");
    // Given up in the middle of a check.
    assert!(tokio::time::timeout(Duration::from_secs(1), worker.check(&hanging)).await.is_err());
    assert_eq!(left(&[&seconds, &mark()]).await, Vec::<String>::new());
}
