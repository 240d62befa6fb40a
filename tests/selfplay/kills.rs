//! `kill -9` at 20 moments over all stages: the run that was killed ends with what the run that was not ends with.

use crate::common::{Place, small, small_debugging, told};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

const KILLS: usize = 20;
/// What no machine needs for the small run.
const PATIENCE: Duration = Duration::from_secs(900);

/// Numbers by chance, the same in every run of the test (a linear congruence; Knuth, MMIX).
struct Chance(u64);

impl Chance {
    /// From 0 up to, not including, 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }
}

/// Stages that have begun, as `iteration/stage`, in the order of `events.jsonl`; a torn last line is passed over.
fn begun(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let started = events.filter(|event| event["event"] == "stage-started");
    started
        .map(|event| format!("{}/{}", event["iteration"], event["stage"].as_str().expect("a name")))
        .collect()
}

/// Waits until the run has begun a stage that is not in `seen`; what it is, or `None` if the run ended before.
fn new_stage(child: &mut Child, folder: &Path, seen: &BTreeSet<String>) -> Option<String> {
    let start = Instant::now();
    loop {
        if let Some(stage) = begun(folder).into_iter().find(|stage| !seen.contains(stage)) {
            return Some(stage);
        }
        if child.try_wait().expect("waited for").is_some() {
            return None;
        }
        assert!(start.elapsed() < PATIENCE, "no stage has begun");
        sleep(Duration::from_millis(5));
    }
}

fn kill(child: &mut Child) {
    child.kill().expect("killed");
    child.wait().expect("waited for");
}

/// Runs a command to its end, and again and again with kills soon after each stage begins, then anywhere, until [`KILLS`]
/// were done: every run must end with the same facts, and with the same `weights`.
fn kill_and_compare(place: &Place, command: &[&str], weights: &str, stages: usize) -> String {
    let at = |name: &str| [command, &["--run", name]].concat().into_iter().map(str::to_owned).collect();
    let started = Instant::now();
    let arguments: Vec<String> = at("whole");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let whole = place.run(&arguments);
    let took = started.elapsed();
    assert_eq!(whole.status.code(), Some(0), "{}", told(&whole));
    let expected = place.dump("whole");
    let all: BTreeSet<String> = begun(&place.join("whole")).into_iter().collect();
    assert_eq!(all.len(), stages, "{all:?}");

    let mut chance = Chance(7);
    let mut kills = Vec::new();
    let mut runs = 0;
    while kills.len() < KILLS {
        let name = format!("killed{runs}");
        runs += 1;
        let folder = place.join(&name);
        let arguments: Vec<String> = at(&name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        loop {
            let mut child = place.start(&arguments);
            if let Some(stage) = new_stage(&mut child, &folder, &seen).filter(|_| kills.len() < KILLS) {
                sleep(took.mul_f64(chance.share() / 20.0));
                kill(&mut child);
                seen.extend(begun(&folder));
                kills.push(stage);
                continue;
            }
            let status = child.wait().expect("waited for");
            assert_eq!(status.code(), Some(0), "{}", place.errors());
            break;
        }
        assert_eq!(place.dump(&name), expected, "killed at {kills:?}");
        let weights = |run: &str| fs::read(place.join(run).join(weights));
        assert_eq!(weights(&name).expect("weights"), weights("whole").expect("weights"));
    }
    format!("killed {} times in {runs} runs, behind the beginning of {kills:?}", kills.len())
}

#[test]
fn a_run_that_was_killed_at_every_stage_ends_as_one_that_was_not() {
    let place = Place::with_fake_repl();
    let settings = place.settings(&small());
    let settings = settings.to_str().expect("UTF-8");
    let weights = "checkpoints/002/model/model.safetensors";
    let kills = kill_and_compare(&place, &["selfplay", "--settings", settings], weights, 13);
    println!("{kills}");
    let facts = place.dump("whole");
    assert!(facts.contains(r#""outcome":"new""#), "no conjecture was attempted, so nothing is tested");
    assert!(facts.contains(r#""role":"conjecturer""#));
}

#[test]
fn self_debugging_that_was_killed_at_every_stage_ends_as_if_it_was_not() {
    let place = Place::with_python();
    let settings = place.settings(&small_debugging());
    let settings = settings.to_str().expect("UTF-8");
    let weights = "checkpoints/003/model/model.safetensors";
    let kills = kill_and_compare(&place, &["selfdebug", "--settings", settings], weights, 10);
    println!("{kills}");
    let facts = place.dump("whole");
    for role in ["write", "refine", "explain"] {
        assert!(facts.contains(&format!(r#""role":"{role}""#)), "nothing is learnt as `{role}`");
    }
    assert!(facts.contains(r#""stage":"reinforce""#), "nothing is reinforced");
}
