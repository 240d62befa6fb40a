//! A disk that is full while a checkpoint is saved. A program of its own, because the limit holds for a whole process.

#[path = "train/common.rs"]
#[expect(dead_code, reason = "the other tests' helpers")]
mod common;

use std::error::Error;

use candle_core::DType;
use common::{examples, model, number, settings, step};
use proofloop::train::{Checkpoints, TrainError, Trainer};

/// No file of this process may become longer than this.
fn limit_files(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is read before the call returns, and nothing is kept.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
}

#[test]
fn a_full_disk_leaves_the_old_checkpoint() {
    // SAFETY: ignoring a signal runs no handler. Without it the limit kills; with it a write fails, as on a full disk.
    assert_ne!(unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) }, libc::SIG_ERR);
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::open(folder.path(), number(1)).expect("opened");
    let examples = examples();
    let mut trainer = Trainer::new(model(DType::F32), &examples, settings()).expect("a trainer");
    step(&mut trainer);
    let first = trainer.save(&checkpoints).expect("saved");
    let size = |name: &str| first.join(name).metadata().expect("there").len();
    let (weights, moments) = (size("model/model.safetensors"), size("optimizer.safetensors"));
    assert!(moments > weights);
    step(&mut trainer);
    // Too little for the weights; enough for them and too little for the moments.
    for bytes in [1000, (weights + moments) / 2] {
        limit_files(bytes);
        let failed = trainer.save(&checkpoints);
        limit_files(libc::RLIM_INFINITY);
        let error = failed.expect_err("full");
        assert!(matches!(error, TrainError::Save { step: 2, .. }), "{error}");
        let mut text = String::new();
        let mut cause: Option<&dyn Error> = Some(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        assert!(text.contains(".safetensors") && text.contains("File too large"), "{text}");
        let left: Vec<_> = folder.path().read_dir().expect("readable").flatten().map(|e| e.path()).collect();
        assert_eq!(left, std::slice::from_ref(&first));
        let latest = checkpoints.latest().expect("readable").expect("there");
        let resumed = Trainer::resume(model(DType::F32), &examples, settings(), &latest).expect("resumed");
        assert_eq!(resumed.steps(), 1);
    }
    // With room again, the same step is saved and the old one goes.
    let second = trainer.save(&checkpoints).expect("saved");
    assert!(second.exists() && !first.exists());
}
