use serde_json::Value;

use super::*;

const CPU: Device = Device::Cpu;

fn tiny(tied: bool) -> Decoder {
    let mut config = ModelConfig::nano(11);
    (config.hidden_size, config.layers, config.head_dim, config.intermediate_size) = (8, 2, 4, 12);
    config.tie_word_embeddings = tied;
    Decoder::init(config, 1, DType::F32, &CPU).expect("made")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1()).expect("readable")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn assert_same(left: &Decoder, right: &Decoder) {
    assert_eq!(left.config(), right.config());
    let keys = |decoder: &Decoder| decoder.parameters().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(left), keys(right));
    for (name, var) in left.parameters() {
        assert_eq!(values(var), values(&right.parameters()[name]), "{name}");
    }
}

/// What loading says after `damage` was done to a saved model, with the folder's name taken out.
fn error(damage: impl FnOnce(&Path)) -> String {
    let folder = folder();
    tiny(false).save(folder.path(), &SaveOptions::default()).expect("saved");
    damage(folder.path());
    let error = Decoder::load(folder.path(), DType::F32, &CPU).expect_err("refused");
    error.to_string().replace(&folder.path().display().to_string(), "DIR")
}

/// Changes the JSON header of `model.safetensors`.
fn edit_header(folder: &Path, edit: impl FnOnce(&mut Value)) {
    let path = folder.join(SINGLE_FILE);
    let bytes = std::fs::read(&path).expect("readable");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("JSON");
    edit(&mut header);
    let header = header.to_string();
    let mut new = (header.len() as u64).to_le_bytes().to_vec();
    new.extend(header.as_bytes());
    new.extend(&bytes[8 + length..]);
    std::fs::write(path, new).expect("written");
}

const NORM: &str = "model.norm.weight";

fn header_error(edit: impl FnOnce(&mut Value)) -> String {
    error(|dir| edit_header(dir, edit))
}

#[test]
fn what_is_saved_is_loaded_and_candle_reads_it_too() -> Result<()> {
    for tied in [false, true] {
        let folder = folder();
        let model = tiny(tied);
        model.save(folder.path(), &SaveOptions::default())?;
        assert_eq!(names(folder.path()), ["config.json", "model.safetensors"]);
        assert_same(&Decoder::load(folder.path(), DType::F32, &CPU)?, &model);
        let oracle = candle_core::safetensors::load(folder.path().join(SINGLE_FILE), &CPU)?;
        assert_eq!(oracle.len(), model.parameters().len());
        for (name, var) in model.parameters() {
            assert_eq!(values(var), values(&oracle[name]), "{name}");
        }
    }
    Ok(())
}

#[test]
fn shards_hold_the_same_and_replace_what_was_there() -> Result<()> {
    let folder = folder();
    let model = tiny(false);
    model.save(folder.path(), &SaveOptions::default())?;
    model.save(folder.path(), &SaveOptions { max_shard_bytes: 1500, ..SaveOptions::default() })?;
    let sharded = names(folder.path());
    assert!(sharded.len() > 4 && !sharded.contains(&SINGLE_FILE.to_owned()), "{sharded:?}");
    assert_same(&Decoder::load(folder.path(), DType::F32, &CPU)?, &model);
    model.save(folder.path(), &SaveOptions::default())?;
    assert_eq!(names(folder.path()), ["config.json", "model.safetensors"]);
    Ok(())
}

#[test]
fn half_precision_rounds_once() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let folder = folder();
        let model = tiny(false);
        model.save(folder.path(), &SaveOptions { dtype, ..SaveOptions::default() })?;
        let loaded = Decoder::load(folder.path(), dtype, &CPU)?;
        assert_eq!(loaded.dtype(), dtype);
        for (name, var) in model.parameters() {
            assert_eq!(values(&loaded.parameters()[name]), values(&var.to_dtype(dtype)?), "{name}");
        }
    }
    let wrong =
        tiny(false).save(folder().path(), &SaveOptions { dtype: DType::F64, ..SaveOptions::default() });
    assert!(matches!(wrong, Err(ModelError::Input { .. })));
    Ok(())
}

#[test]
fn damaged_files_are_named() {
    let file = |dir: &Path| dir.join(SINGLE_FILE);
    let cut = |dir: &Path, keep: usize| {
        let bytes = std::fs::read(file(dir)).expect("readable");
        let keep = keep.min(bytes.len().saturating_sub(1));
        std::fs::write(file(dir), &bytes[..keep]).expect("written");
    };
    let errors = [
        error(|dir| std::fs::remove_file(file(dir)).expect("removed")),
        error(|dir| cut(dir, 4)),
        error(|dir| cut(dir, 100)),
        error(|dir| cut(dir, usize::MAX)),
        error(|dir| std::fs::write(file(dir), u64::MAX.to_le_bytes()).expect("written")),
        error(|dir| std::fs::write(file(dir), b"\x04\0\0\0\0\0\0\0nope").expect("written")),
        header_error(|h| h.as_object_mut().expect("an object").retain(|name, _| name != NORM)),
        header_error(|h| h["extra"] = h[NORM].clone()),
        header_error(|h| h[NORM]["shape"] = json!([9])),
        header_error(|h| h[NORM]["dtype"] = json!("I8")),
        header_error(|h| h[NORM]["dtype"] = json!("F16")),
        header_error(|h| h[NORM]["data_offsets"] = json!([32, 0])),
        header_error(|h| h[NORM]["data_offsets"] = json!([1_u64 << 60, (1_u64 << 60) + 32])),
        header_error(|h| h[NORM] = json!(7)),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn an_index_cannot_lead_elsewhere() {
    let write = |dir: &Path, map: Value| {
        std::fs::remove_file(dir.join(SINGLE_FILE)).expect("removed");
        std::fs::write(dir.join(INDEX_FILE), json!({ "weight_map": map }).to_string()).expect("written");
    };
    let errors = [
        error(|dir| write(dir, json!({ "lm_head.weight": "../other.safetensors" }))),
        error(|dir| write(dir, json!({ "lm_head.weight": "gone.safetensors" }))),
        error(|dir| write(dir, json!({ "lm_head.weight": 1 }))),
        error(|dir| write(dir, json!(null))),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_write_that_fails_leaves_the_old_file() -> Result<()> {
    let folder = folder();
    let model = tiny(false);
    model.save(folder.path(), &SaveOptions::default())?;
    // A folder stands where the new file would be made.
    std::fs::create_dir(folder.path().join("model.safetensors.partial")).expect("made");
    assert!(matches!(tiny(false).save(folder.path(), &SaveOptions::default()), Err(ModelError::Io { .. })));
    assert_same(&Decoder::load(folder.path(), DType::F32, &CPU)?, &model);
    Ok(())
}
