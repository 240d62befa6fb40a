//! Checkpoints.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use candle_core::{DType, Tensor};
use proofloop::model::Decoder;
use proofloop::train::{
    Checkpoint, Example, Finish, Plan, Progress, Schedule, Settings, TrainError, Trainer,
};
use tokio_util::sync::CancellationToken;

use super::common::{
    adapted, all_values, checkpoints, examples, model, names, number, settings, step, values,
};

/// Saved after 4 steps, in the second epoch's middle; both runs take 5 more.
fn assert_same(make: fn() -> Decoder, settings: &Settings) {
    let examples = examples();
    let (_folder, checkpoints) = checkpoints(2);
    let mut trainer = Trainer::new(make(), &examples, settings.clone()).expect("a trainer");
    for _ in 0..4 {
        step(&mut trainer);
    }
    trainer.save(&checkpoints).expect("saved");
    let latest = checkpoints.latest().expect("readable").expect("there");
    assert_eq!(latest.step(), 4);
    // Another process: a model that was made anew, even with other weights.
    let fresh = make();
    for var in fresh.trainable().values() {
        var.set(&var.ones_like().expect("ones")).expect("set");
    }
    let mut resumed = Trainer::resume(fresh, &examples, settings.clone(), &latest).expect("resumed");
    assert_eq!((resumed.steps(), resumed.cursor()), (4, trainer.cursor()));
    assert_eq!((resumed.cursor().epoch, resumed.cursor().used), (1, 8));
    for _ in 0..5 {
        let (left, right) = (step(&mut trainer), step(&mut resumed));
        assert_eq!(left.loss.to_bits(), right.loss.to_bits());
        assert_eq!(left.gradient_norm.to_bits(), right.gradient_norm.to_bits());
        assert_eq!((left.step, left.epoch), (right.step, right.epoch));
    }
    assert_eq!(all_values(trainer.model().parameters()), all_values(resumed.model().parameters()));
    assert_eq!(all_values(trainer.model().trainable()), all_values(resumed.model().trainable()));
}

#[test]
fn resumed_equals_uninterrupted() {
    let parts = Settings { micro_batch_tokens: number(20), ..settings() };
    assert_same(|| model(DType::F32), &parts);
    assert_same(adapted, &parts);
    // Steps so small that the copies in bf16 alone would forget them.
    assert_same(|| model(DType::BF16), &Settings { schedule: Schedule::constant(1e-4), ..parts });
}

fn plan(steps: u64) -> Plan {
    Plan { steps, evaluate_every: None, save_every: NonZeroU64::new(2) }
}

#[test]
fn a_run_saves_keeps_the_newest_and_goes_on() {
    let (folder, checkpoints) = checkpoints(2);
    let examples = examples();
    let never = CancellationToken::new();
    assert!(checkpoints.latest().expect("readable").is_none());
    let mut trainer = Trainer::new(model(DType::F32), &examples, settings()).expect("a trainer");
    let mut saved = Vec::new();
    let mut progress = |progress: &Progress| {
        if let Progress::Saved { step, path } = progress {
            saved.push((*step, path.file_name().expect("a name").to_string_lossy().into_owned()));
        }
    };
    trainer.run(&plan(7), &[], Some(&checkpoints), &never, &mut progress).expect("trained");
    let steps: Vec<_> = saved.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [2, 4, 6, 7]);
    assert_eq!(names(folder.path()), ["step-00000006", "step-00000007"]);
    // A run that begins anew beside it is told so, before it overwrites anything.
    let mut anew = Trainer::new(model(DType::F32), &examples, settings()).expect("a trainer");
    let error = anew.run(&plan(2), &[], Some(&checkpoints), &never, &mut |_| {}).expect_err("in the way");
    assert!(matches!(error, TrainError::Save { step: 2, .. }), "{error}");
    // A cancelled one is saved where it stands.
    let latest = checkpoints.latest().expect("readable").expect("there");
    let mut resumed = Trainer::resume(model(DType::F32), &examples, settings(), &latest).expect("resumed");
    let cancel = CancellationToken::new();
    let mut stop = |progress: &Progress| {
        if matches!(progress, Progress::Step(report) if report.step == 9) {
            cancel.cancel();
        }
    };
    let finish = resumed.run(&plan(99), &[], Some(&checkpoints), &cancel, &mut stop).expect("stopped");
    assert_eq!(finish, Finish::Cancelled);
    assert_eq!(names(folder.path()), ["step-00000008", "step-00000009"]);
}

#[test]
fn not_a_number_leaves_the_last_good_checkpoint() {
    let (folder, checkpoints) = checkpoints(2);
    let (model, examples) = (model(DType::F32), examples());
    let mut trainer = Trainer::new(model.clone(), &examples, settings()).expect("a trainer");
    let norm = &model.parameters()["model.norm.weight"];
    let mut spoil = |progress: &Progress| {
        if matches!(progress, Progress::Step(report) if report.step == 3) {
            let mut bad = values(norm);
            bad[0] = f32::INFINITY;
            norm.set(&Tensor::new(bad, norm.device()).expect("made")).expect("set");
        }
    };
    let never = CancellationToken::new();
    let error = trainer.run(&plan(9), &[], Some(&checkpoints), &never, &mut spoil).expect_err("stopped");
    assert!(matches!(error, TrainError::NotFinite { step: 3, .. }), "{error}");
    assert_eq!(names(folder.path()), ["step-00000002"]);
    let latest = checkpoints.latest().expect("readable").expect("there");
    let mut resumed = Trainer::resume(model, &examples, settings(), &latest).expect("resumed");
    assert!(step(&mut resumed).loss.is_finite());
}

#[test]
fn what_a_crash_left_is_no_checkpoint() {
    let (folder, checkpoints) = checkpoints(2);
    let examples = examples();
    let partial = folder.path().join("step-00000001.partial");
    fs::create_dir(&partial).expect("made");
    fs::write(partial.join("state.json"), "{").expect("written");
    assert!(checkpoints.latest().expect("readable").is_none());
    let mut trainer = Trainer::new(model(DType::F32), &examples, settings()).expect("a trainer");
    step(&mut trainer);
    trainer.save(&checkpoints).expect("saved");
    assert_eq!(names(folder.path()), ["step-00000001"]);
}

/// What resuming says after `damage` was done to a checkpoint.
fn says(damage: impl FnOnce(&Path)) -> String {
    let (_folder, checkpoints) = checkpoints(2);
    let examples = examples();
    let mut trainer = Trainer::new(model(DType::F32), &examples, settings()).expect("a trainer");
    step(&mut trainer);
    let path = trainer.save(&checkpoints).expect("saved");
    damage(&path);
    let resumed = Checkpoint::open(&path)
        .and_then(|checkpoint| Trainer::resume(model(DType::F32), &examples, settings(), &checkpoint));
    let error = resumed.expect_err("refused");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text.replace(&path.display().to_string(), "DIR")
}

fn replace(path: &Path, name: &str, from: &str, to: &str) {
    let path = path.join(name);
    let text = fs::read_to_string(&path).expect("readable");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("written");
}

#[test]
fn damaged_and_foreign_checkpoints_are_named() {
    let cut = |path: &Path, name: &str| {
        let file = fs::OpenOptions::new().write(true).open(path.join(name)).expect("there");
        let length = file.metadata().expect("known").len();
        file.set_len(length - 9).expect("cut");
    };
    let all = [
        says(|path| fs::remove_file(path.join("state.json")).expect("removed")),
        says(|path| fs::write(path.join("state.json"), "{\"version\": 1").expect("written")),
        says(|path| replace(path, "state.json", "\"version\": 1", "\"version\": 2")),
        says(|path| replace(path, "state.json", "\"epoch\"", "\"epok\"")),
        says(|path| replace(path, "state.json", "\"used\": 8", "\"used\": 22")),
        says(|path| replace(path, "state.json", "\"seed\": 7", "\"seed\": 8")),
        says(|path| cut(path, "optimizer.safetensors")),
        says(|path| cut(path, "model/model.safetensors")),
        says(|path| fs::remove_dir_all(path.join("model")).expect("removed")),
        says(|path| fs::create_dir(path.join("adapter")).expect("made")),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn other_examples_settings_and_models_are_refused() {
    let (_folder, checkpoints) = checkpoints(2);
    let good = examples();
    let mut trainer = Trainer::new(model(DType::F32), &good, settings()).expect("a trainer");
    step(&mut trainer);
    trainer.save(&checkpoints).expect("saved");
    let latest = checkpoints.latest().expect("readable").expect("there");
    let says = |model: Decoder, examples: &[Example], settings: Settings| {
        let text = Trainer::resume(model, examples, settings, &latest).expect_err("refused").to_string();
        text.replace(&latest.path().display().to_string(), "DIR")
    };
    let mut other = good.clone();
    other[5].weight = 2.0;
    let same = || model(DType::F32);
    let all = [
        says(same(), &other, settings()),
        says(same(), &good[1..], settings()),
        says(same(), &good, Settings { batch_examples: number(4), ..settings() }),
        says(adapted(), &good, settings()),
    ];
    insta::assert_snapshot!(all.join("\n"));
}
