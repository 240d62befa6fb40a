//! The whole loop on real Lean, and its proofs once more in a process each.

use crate::common::{Place, count, told};
use proofloop::selfplay::presets::Preset;
use std::fs;

/// Proofs that are judged again, in a process of its own each.
const AGAIN: usize = 3;

#[test]
fn real_lean_proofs_of_a_run_hold_in_fresh_processes() {
    let place = Place::with_lean();
    let mut settings = Preset::Nano.settings(1);
    settings.iterations = 1;
    settings.problems.limit = Some(120);
    settings.problems.shown_proofs = 0.8;
    settings.sampling.first_round = count(2);
    settings.evaluation.samples = 0;
    settings.evaluation.ks.clear();
    let path = place.settings(&settings);
    let output = place.run(&["selfplay", "--run", "run", "--settings", path.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let store = place.store("run");
    let screened = store.conjectures(None).expect("conjectures");
    assert!(screened.iter().any(|one| one.outcome == "ill-typed"), "Lean typed nothing");

    let exported = place.run(&["export", "run", "--what", "proofs", "--format", "jsonl"]);
    assert_eq!(exported.status.code(), Some(0), "{}", told(&exported));
    let lines = String::from_utf8(exported.stdout).expect("UTF-8");
    assert!(lines.lines().count() > 0, "nothing was proved: {}", told(&output));
    let again =
        place.run(&["export", "run", "--what", "proofs", "--format", "jsonl", "--out", "proofs.jsonl"]);
    assert_eq!(again.status.code(), Some(0), "{}", told(&again));
    assert_eq!(fs::read_to_string(place.join("proofs.jsonl")).expect("written"), lines);
    for line in lines.lines().take(AGAIN) {
        fs::write(place.join("one.jsonl"), format!("{line}\n")).expect("written");
        let judged = place.run(&["verify", "--no-cache", "--format", "jsonl", "one.jsonl"]);
        assert_eq!(judged.status.code(), Some(0), "{line}\n{}", told(&judged));
    }
}
