//! What `proofloop train` says of inputs that are wrong, and what it leaves of a run that fails.

use super::models::replace;
use super::train::{TINY, log, names, train, workplace};
use super::{Ran, program, run, write};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

/// What training says after the model's folder was damaged.
fn of_model(damage: impl FnOnce(&Path)) -> String {
    let directory = workplace();
    damage(&directory.path().join("tiny"));
    let ran = train(directory.path(), &[]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(!directory.path().join("out/train.json").exists());
    ran.err
}

fn cut(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).expect("there");
    let length = file.metadata().expect("known").len();
    file.set_len(length - 100).expect("cut");
}

/// Replaces text in the header of a safetensors file by as much text.
fn in_header(path: &Path, from: &str, to: &str) {
    let mut bytes = fs::read(path).expect("readable");
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("there");
    assert_eq!(from.len(), to.len());
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    fs::write(path, bytes).expect("written");
}

#[test]
fn an_unusable_model_is_named_with_what_is_wrong() {
    let weights = "model.safetensors";
    let all = [
        of_model(|folder| fs::remove_dir_all(folder).expect("removed")),
        of_model(|folder| fs::remove_file(folder.join("config.json")).expect("removed")),
        of_model(|folder| fs::remove_file(folder.join(weights)).expect("removed")),
        of_model(|folder| fs::remove_file(folder.join("tokenizer.json")).expect("removed")),
        of_model(|folder| cut(&folder.join(weights))),
        of_model(|folder| fs::write(folder.join(weights), "no").expect("written")),
        of_model(|folder| {
            replace(&folder.join("config.json"), "\"intermediate_size\": 24", "\"intermediate_size\": 32");
        }),
        of_model(|folder| replace(&folder.join("config.json"), "Qwen3ForCausalLM", "MambaForCausalLM")),
        of_model(|folder| in_header(&folder.join(weights), "\"dtype\":\"F32\"", "\"dtype\":\"I64\"")),
        of_model(|folder| replace(&folder.join("config.json"), "\"vocab_size\": 300", "\"vocab_size\": 200")),
        of_model(|folder| {
            let bigger = proofloop::model::Tokenizer::train(std::iter::empty(), 301, &["<|end|>"; 1]);
            bigger.expect("trained").save(&folder.join("tokenizer.json")).expect("saved");
            let model = proofloop::model::ModelConfig::load(&folder.join("config.json")).expect("readable");
            let small = proofloop::model::ModelConfig { vocab_size: 256, ..model };
            let made =
                proofloop::model::Decoder::init(small, 1, candle_core::DType::F32, &candle_core::Device::Cpu);
            made.expect("made").save(folder, &proofloop::model::SaveOptions::default()).expect("saved");
        }),
        of_model(|folder| fs::write(folder.join("tokenizer.json"), "{}").expect("written")),
    ];
    insta::assert_snapshot!(all.concat(), @"
    error: cannot use the model `tiny`: No such file or directory (os error 2)
    error: cannot use the model `tiny`: cannot read `tiny/config.json`: No such file or directory (os error 2)
    error: cannot use the model `tiny`: cannot read `tiny/model.safetensors`: No such file or directory (os error 2)
    error: cannot use the model `tiny`: cannot read `tiny/tokenizer.json`: No such file or directory (os error 2)
    error: cannot use the model `tiny`: tensor `model.norm.weight` of `tiny/model.safetensors`: is cut off: it ends at byte 34944, the file at 34844
    error: cannot use the model `tiny`: `tiny/model.safetensors` is no usable safetensors file: it has no header
    error: cannot use the model `tiny`: tensor `model.layers.0.mlp.gate_proj.weight` of `tiny/model.safetensors`: has shape [24, 16], the configuration says [32, 16]
    error: cannot use the model `tiny`: field `architectures` of the configuration: `MambaForCausalLM` is not implemented, only LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM
    error: cannot use the model `tiny`: tensor `model.embed_tokens.weight` of `tiny/model.safetensors`: has dtype I64, only F32, BF16 and F16 can be loaded
    error: cannot use the model `tiny`: tensor `model.embed_tokens.weight` of `tiny/model.safetensors`: has shape [300, 16], the configuration says [200, 16]
    error: cannot use the model `tiny`: tokenizer: its largest token is 256, the model has 256 tokens
    error: cannot use the model `tiny`: tokenizer: `tiny/tokenizer.json` is not one: Model missing. at line 1 column 2
    ");
}

/// What training says of a data file.
fn of_data(content: &[u8], more: &[&str]) -> String {
    let directory = workplace();
    write(directory.path(), "data.jsonl", content);
    let ran = train(directory.path(), more);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    ran.err
}

#[test]
fn bad_examples_are_named_by_file_line_and_field() {
    let good = "{\"prompt\": \"the\", \"completion\": \" cat\"}\n";
    let behind = |line: &str| of_data(format!("{good}\n{line}\n").as_bytes(), &[]);
    let all = [
        of_data(b"", &[]),
        behind("{\"prompt\": \"the\""),
        behind("[]"),
        behind("{\"completion\": \"x\"}"),
        behind("{\"prompt\": \"x\", \"completion\": 3}"),
        behind("{\"prompt\": \"x\", \"completion\": \"y\", \"weight\": -1}"),
        behind("{\"prompt\": \"x\", \"prompt\": \"y\", \"completion\": \"z\"}"),
        behind(&format!("{{\"prompt\": \"x\", \"completion\": \"{}\"}}", "cat ".repeat(90))),
        of_data(good.as_bytes(), &["--max-tokens", "65"]),
        of_data(good.as_bytes(), &["--eval-data", "none.jsonl"]),
        of_data(b"{\"prompt\": \"\xe9\"}", &[]),
    ];
    insta::assert_snapshot!(all.concat(), @"
    error: cannot read data.jsonl: the file holds no record
    error: cannot read data.jsonl, line 3: the JSON ends too early, at column 16
    error: cannot read data.jsonl, line 3: expected a JSON object, found a list
    error: cannot read data.jsonl, line 3: field `prompt` is missing
    error: cannot read data.jsonl, line 3: field `completion` must be text, found a number
    error: cannot read data.jsonl, line 3: field `weight`: must be 0 or more, and within f32, got -1
    error: cannot read data.jsonl, line 3: the key `prompt` is there twice
    error: cannot read data.jsonl, line 3: field `completion`: with its prompt it has 183 tokens, more than 64
    error: --max-tokens 65: the model takes 64
    error: cannot read none.jsonl: the file cannot be opened: No such file or directory (os error 2)
    error: cannot read data.jsonl, line 1: byte 13 of the line is not UTF-8
    ");
    let directory = workplace();
    let long = format!("{good}{{\"prompt\": \"x\", \"completion\": \"{}\"}}\n", "cat ".repeat(90));
    write(directory.path(), "data.jsonl", long);
    let ran = train(directory.path(), &["--too-long", "drop"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.starts_with("--data: 0 examples were cut off and 1 left out for their length"),
        "{}",
        ran.err
    );
}

#[test]
fn settings_out_of_range_and_devices_that_are_not_there_are_refused() {
    let directory = workplace();
    let says = |more: &[&str]| {
        let ran = train(directory.path(), more);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        // Nothing was begun, so that the folder can still be used.
        assert!(!directory.path().join("out/train.json").exists());
        ran.err
    };
    let all = [
        says(&["--clip", "-1"]),
        says(&["--schedule", "constant", "--weight-decay", "-0.5"]),
        says(&["--floor", "1.5"]),
        says(&["--lora", "0"]),
        says(&["--lora", "2", "--lora-targets", "q_proj,z_proj"]),
        says(&["--lora", "2", "--lora-dropout", "1"]),
    ];
    insta::assert_snapshot!(all.concat(), @"
    error: invalid value '-1' for '--clip <NORM>': must be a number, 0 or more

    For more information, try '--help'.
    error: setting `weight_decay`: must be 0 or more, got -0.5
    error: setting `floor`: must be from 0 to 1, got 1.5
    error: the adapters don't fit the model: field `r` of the configuration: must be from 1 to 4096, got 0
    error: the adapters don't fit the model: field `target_modules` of the configuration: `z_proj` is no projection of a layer
    error: the adapters don't fit the model: field `lora_dropout` of the configuration: must be in [0, 1), got 1
    ");
    let new = ["train", "--init", "nano", "--data", "data.jsonl", "--out", "out", "--vocab", "9"];
    let complaint =
        "error: --vocab 9: tokenizer: a vocabulary of 9 has no room for bytes and special tokens, 259\n";
    assert_eq!(run(directory.path(), &new).err, complaint);
    if !cfg!(feature = "cuda") {
        let expected = "error: this proofloop has no CUDA, so there is no device `cuda:1`: `scripts/build-cuda.sh` builds one that has\n";
        assert_eq!(says(&["--device", "cuda:1"]), expected);
    }
}

#[test]
fn another_ones_folder_is_left_alone() {
    let directory = workplace();
    let out = directory.path().join("out");
    fs::create_dir(&out).expect("made");
    // What a run leaves that was killed before its first step.
    write(&out, "lock", "");
    write(&out, "train.json.partial", "{");
    assert_eq!(train(directory.path(), &[]).code, 0);
    fs::remove_dir_all(&out).expect("removed");
    fs::create_dir(&out).expect("made");
    write(&out, "thesis.tex", "precious");
    let says = || {
        let ran = train(directory.path(), &[]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        ran.err
    };
    let foreign = says();
    assert_eq!(names(&out), ["thesis.tex"]);
    fs::remove_dir_all(&out).expect("removed");
    write(directory.path(), "out", "a file");
    let file = says();
    fs::remove_file(&out).expect("removed");
    fs::create_dir(&out).expect("made");
    write(&out, "train.json", "{\"format\": 7}");
    let version = says();
    write(&out, "train.json", "{\"form");
    insta::assert_snapshot!([foreign, file, version, says()].concat(), @"
    error: `out` holds `thesis.tex` and no run of `proofloop train`: give a new or an empty folder
    error: `out` is not a folder
    error: cannot use `out/train.json`: its format is 7, only 1 can be read
    error: cannot use `out/train.json`: it is not JSON: EOF while parsing a string at line 1 column 6
    ");
}

#[test]
fn a_loss_that_is_no_number_is_exit_code_1_and_keeps_what_was_good() {
    let directory = workplace();
    assert_eq!(train(directory.path(), &["--steps", "4"]).code, 0);
    let wild =
        ["--steps", "40", "--resume", "--learning-rate", "1e30", "--schedule", "constant", "--clip", "0"];
    // Not even the checkpoint of the step that broke the weights is written, or it would be the last one.
    for every in ["100", "1"] {
        let ran = run(directory.path(), &[&TINY[..9], &wild, &["--save-every", every]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        let (_, error) = ran.err.split_once("error: ").expect("an error");
        let start = "training stopped; `out/checkpoints/step-00000004` is the last good state: ";
        assert!(error.starts_with(start), "{error}");
        assert!(error.contains("\n hint: try a lower --learning-rate, "), "{error}");
        assert_eq!(names(&directory.path().join("out/checkpoints")), ["step-00000004"]);
    }
    // Good again.
    let ran = train(directory.path(), &["--steps", "6", "--resume"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(log(directory.path()).len(), 6);
}

/// The command where no file may become longer than `bytes`: writing fails as it does on a full disk.
fn with_little_room(directory: &Path, more: &[&str], blocks: u32) -> Ran {
    let inner = program(directory, &[TINY, more].concat());
    let mut command = Command::new("sh");
    // Ignored, the signal does not kill; the shell's blocks have 512 bytes.
    command.args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &blocks.to_string()]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(directory);
    command.stdin(Stdio::null()).output().expect("a shell").into()
}

#[test]
fn a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on() {
    let directory = workplace();
    let more = ["--steps", "8", "--save-every", "2"];
    assert_eq!(train(directory.path(), &more).code, 0);
    let whole = fs::read(directory.path().join("out/model/model.safetensors")).expect("readable");
    fs::remove_dir_all(directory.path().join("out")).expect("removed");
    // A first part with room: interrupted by its own end.
    assert_eq!(
        train(directory.path(), &["--steps", "2", "--save-every", "2", "--schedule", "cosine"]).code,
        0
    );
    let ran = with_little_room(directory.path(), &[&more[..], &["--resume"]].concat(), 64);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{}", ran.err);
    let (_, error) = ran.err.split_once("error: ").expect("an error");
    insta::assert_snapshot!(error, @"
    training stopped; `out/checkpoints/step-00000002` is the last good state: the checkpoint of step 4 could not be saved: cannot write `out/checkpoints/step-00000004.partial/model/model.safetensors`: File too large (os error 27)
     hint: make room, then give the same command again: it goes on where it was
    ");
    assert_eq!(names(&directory.path().join("out/checkpoints")), ["step-00000002"]);
    let ran = train(directory.path(), &more);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        fs::metadata(directory.path().join("out/model/model.safetensors")).expect("there").len(),
        whole.len() as u64
    );
    // Without room for the result, the run is not complete; with room again, it is.
    fs::remove_file(directory.path().join("out/result.json")).expect("removed");
    let ran = with_little_room(directory.path(), &more, 64);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(!directory.path().join("out/result.json").exists());
    assert_eq!(train(directory.path(), &more).code, 0);
    assert!(run(directory.path(), &[TINY, &more].concat()).err.contains("is complete"));
}
