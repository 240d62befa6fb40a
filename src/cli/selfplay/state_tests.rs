use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn planned(iteration: u32, stage: &str) -> PlannedStage {
    PlannedStage { iteration, stage: stage.to_owned() }
}

fn run(iterations: u32) -> Event {
    let within = (1..=iterations).flat_map(|i| ["prove", "train"].map(|stage| planned(i, stage)));
    let plan = [planned(0, "before")].into_iter().chain(within).chain([planned(iterations + 1, "after")]);
    Event::RunStarted { name: "nightly".to_owned(), iterations, plan: plan.collect() }
}

fn started(iteration: u32, stage: &str, total_samples: Option<u64>) -> Event {
    Event::StageStarted { iteration, stage: stage.to_owned(), total_samples }
}

fn finished(iteration: u32, stage: &str, seconds: f64) -> Event {
    let summary = "12 new proofs".to_owned();
    Event::StageFinished { iteration, stage: stage.to_owned(), seconds, summary }
}

/// The state after a list of events, each at its second.
fn after(events: impl IntoIterator<Item = (u64, Event)>) -> State {
    let mut state = State::default();
    for (second, event) in events {
        state.take(&event, at(second));
    }
    state
}

fn left(state: &State, second: u64) -> Option<f64> {
    state.left_seconds(at(second)).map(|left| (left * 1000.0).round() / 1000.0)
}

#[test]
fn the_time_left_comes_from_earlier_stages_of_the_same_kind() {
    let mut state = after([(0, run(3)), (0, started(0, "before", None)), (10, finished(0, "before", 10.0))]);
    // Nobody has proved or trained yet.
    assert_eq!(left(&state, 10), None);
    for (second, event) in [
        (10, started(1, "prove", None)),
        (110, finished(1, "prove", 100.0)),
        (110, started(1, "train", None)),
        (140, finished(1, "train", 30.0)),
    ] {
        state.take(&event, at(second));
    }
    // Two iterations of 130 s, and `after` is like `before`.
    assert_eq!(left(&state, 140), Some(270.0));
    state.take(&started(2, "prove", None), at(140));
    assert_eq!(left(&state, 140), Some(270.0));
    assert_eq!(left(&state, 200), Some(210.0));
    // Longer than the last one: it may end any moment.
    assert_eq!(left(&state, 300), Some(170.0));
    state.take(&finished(2, "prove", 200.0), at(340));
    // The mean of 100 s and 200 s for the third.
    assert_eq!(left(&state, 340), Some(30.0 + 150.0 + 30.0 + 10.0));
}

#[test]
fn within_a_stage_progress_outweighs_the_past() {
    let mut state = after([(0, run(1))]);
    state.remember("train", 20.0);
    state.remember("before", 10.0);
    state.take(&started(1, "prove", Some(100)), at(0));
    assert_eq!(left(&state, 10), None, "no progress, no past");
    state.take(&Event::Sampled { count: 20 }, at(10));
    assert_eq!(left(&state, 10), Some(40.0 + 30.0));
    // Twenty sampled and none of them judged is a tenth, once there are verdicts at all.
    state.take(&Event::Judged { count: 10, accepted: 1 }, at(30));
    assert_eq!(left(&state, 30), Some(170.0 + 30.0));
    // Half done after 30 s says 30 s; a past stage said 100 s in all: in the middle.
    state.remember("prove", 100.0);
    state.take(&Event::Sampled { count: 40 }, at(30));
    state.take(&Event::Judged { count: 30, accepted: 1 }, at(30));
    assert_eq!(left(&state, 30), Some(50.0 + 30.0));
    state.take(&finished(1, "prove", 40.0), at(40));
    state.take(&started(1, "train", None), at(40));
    state.take(&Event::Trained { step: 30, steps: 30, loss: 1.0 }, at(45));
    assert_eq!(left(&state, 45), Some(10.0));
}

#[test]
fn stages_that_overlap_are_counted_once() {
    let plan = [1, 2].into_iter().flat_map(|i| ["conjecture", "prove"].map(|stage| planned(i, stage)));
    let run = Event::RunStarted { name: "overlap".to_owned(), iterations: 2, plan: plan.collect() };
    let mut state = after([
        (0, run),
        (0, started(1, "conjecture", None)),
        (30, started(1, "prove", Some(100))),
        (40, Event::Sampled { count: 10 }),
    ]);
    assert_eq!(state.picture(at(40)).bars[0].position, 10);
    // Screening ends while proofs are drawn: these are shown on.
    let line = state.take(&finished(1, "conjecture", 50.0), at(50));
    assert_eq!(line.as_deref(), Some("iteration 1/2 conjecture done in 50s: 12 new proofs"));
    state.take(&Event::Sampled { count: 200 }, at(60));
    let picture = state.picture(at(60));
    assert_eq!((picture.bars[0].position, picture.bars[0].length), (210, None));
    assert!(picture.headline.starts_with("iteration 1/2 prove · 30s"), "{}", picture.headline);
    state.take(&finished(1, "prove", 90.0), at(120));
    // 50 s and 70 s make 120 s, not 140 s.
    assert_eq!(left(&state, 120), Some(120.0));
    state.take(&started(2, "conjecture", None), at(120));
    state.take(&started(2, "prove", Some(100)), at(150));
    assert_eq!(left(&state, 160), Some(80.0));
    state.take(&finished(2, "conjecture", 50.0), at(170));
    assert_eq!(left(&state, 180), Some(60.0));
}

#[test]
fn stages_that_were_left_out_are_not_waited_for() {
    let mut state = after([(0, run(2))]);
    for (stage, seconds) in [("prove", 100.0), ("train", 30.0), ("before", 10.0)] {
        state.remember(stage, seconds);
    }
    state.take(&finished(1, "train", 30.0), at(5));
    assert_eq!(left(&state, 5), Some(140.0));
    // A stage that is not in the plan: nothing is foretold.
    state.take(&started(9, "prove", None), at(5));
    assert_eq!(left(&state, 5), None);
}

#[test]
fn the_rate_is_of_late() {
    let mut meter = Meter::begin(at(0));
    assert!(meter.per_second(at(0)).abs() < 1e-9);
    (1..=10).for_each(|second| meter.add(50, at(second)));
    assert!((meter.per_second(at(10)) - 50.0).abs() < 1e-9);
    (11..=100).for_each(|second| meter.add(2, at(second)));
    assert!((meter.per_second(at(100)) - 2.0).abs() < 0.1, "{}", meter.per_second(at(100)));
    assert!(meter.marks.len() < 40, "{} marks", meter.marks.len());
    // Nothing comes any more.
    assert!(meter.per_second(at(1000)) < 0.1);
}

#[test]
fn a_line_for_each_end_and_one_in_thirty_seconds() {
    let mut state = State::default();
    let mut lines = Vec::new();
    let mut take = |second: u64, event: Event| {
        if let Some(line) = state.take(&event, at(second)) {
            lines.push(format!("{second:4} {line}"));
        }
    };
    take(0, run(2));
    take(0, started(0, "before", Some(512)));
    take(8, Event::Sampled { count: 512 });
    take(20, Event::Judged { count: 512, accepted: 4 });
    take(20, finished(0, "before", 20.3));
    take(20, started(1, "prove", Some(4096)));
    take(21, Event::Solved { total: 7, of: 1200 });
    for second in 21..=100 {
        take(second, Event::Sampled { count: 40 });
        take(second, Event::Judged { count: 30, accepted: 3 });
    }
    take(101, Event::Solved { total: 57, of: 1200 });
    take(140, finished(1, "prove", 120.0));
    take(140, started(1, "train", None));
    take(171, Event::Trained { step: 50, steps: 200, loss: 1.23456 });
    take(260, finished(1, "train", 120.0));
    take(7500, Event::RunFinished { seconds: 7512.0, summary: String::new() });
    insta::assert_snapshot!(lines.join("\n"), @r"
       0 run nightly: 2 iterations
      20 before done in 20s: 12 new proofs
      50 iteration 1/2 prove: 1,200 of 4,096 sampled (40.0/s), 870 of 4,096 judged (29.0/s, 10.0 % accepted), 7 of 1,200 solved
      80 iteration 1/2 prove: 2,400 of 4,096 sampled (40.0/s), 1,770 of 4,096 judged (29.1/s, 10.0 % accepted), 7 of 1,200 solved
     140 iteration 1/2 prove done in 2m: 12 new proofs
     171 iteration 1/2 train: 50 of 200 steps (loss 1.2346), 57 of 1,200 solved
     260 iteration 1/2 train done in 2m: 12 new proofs
    7500 finished in 2h 5m
    ");
}

#[test]
fn the_picture_shows_what_is_known() {
    let mut state = after([(0, run(2))]);
    assert_eq!(state.picture(at(0)), Picture::default());
    state.take(&started(1, "conjecture", Some(1000)), at(0));
    state.take(&Event::Sampled { count: 250 }, at(10));
    state.take(&Event::Judged { count: 1500, accepted: 900 }, at(10));
    state.take(&Event::Conjectures { kept: 40, of: 250 }, at(10));
    state.take(&Event::Solved { total: 3, of: 9 }, at(10));
    let picture = state.picture(at(10));
    insta::assert_debug_snapshot!(picture, @r#"
    Picture {
        headline: "iteration 1/2 conjecture · 10s",
        bars: [
            Bar {
                label: "sampled",
                position: 250,
                length: Some(
                    1000,
                ),
                message: "25.0/s",
            },
            Bar {
                label: "judged",
                position: 1500,
                length: None,
                message: "150.0/s, 60.0 % accepted",
            },
        ],
        results: "3 of 9 solved, 40 of 250 conjectures kept",
    }
    "#);
    state.take(&started(1, "train", None), at(20));
    state.take(&Event::Trained { step: 5, steps: 20, loss: 0.5 }, at(24));
    let picture = state.picture(at(24));
    assert_eq!((picture.bars.len(), picture.bars[0].label), (1, "steps"));
    assert!(picture.headline.starts_with("iteration 1/2 train · 4s"), "{}", picture.headline);
}
