use serde_json::{Value, json};

use super::*;

fn llama() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "vocab_size": 64, "rms_norm_eps": 1e-5, "max_position_embeddings": 128,
        "rope_theta": 500000.0, "hidden_act": "silu", "eos_token_id": [2, 3],
    })
}

fn with(field: &str, value: Value) -> Result<ModelConfig> {
    let mut config = llama();
    config[field] = value;
    ModelConfig::from_json(&config)
}

fn error(field: &str, value: Value) -> String {
    with(field, value).expect_err("refused").to_string()
}

#[test]
fn both_spellings_of_rope_are_one() {
    let new = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16 });
    let mut old = llama();
    old["rope_scaling"] = new.clone();
    let mut both = old.clone();
    let mut new = new;
    new["rope_theta"] = json!(500000.0);
    let mut newer = llama();
    newer.as_object_mut().expect("an object").remove("rope_theta");
    newer["rope_parameters"] = new.clone();
    both["rope_parameters"] = new;
    let parse = |value| ModelConfig::from_json(&value).expect("valid").rope;
    let (old, newer, both) = (parse(old), parse(newer), parse(both));
    assert_eq!(old, newer);
    assert_eq!(old, both);
    assert!((old.theta - 500_000.0).abs() < 1e-9);
}

#[test]
fn contradicting_spellings_are_refused() {
    let text = error("rope_parameters", json!({ "rope_type": "default", "rope_theta": 10000.0 }));
    insta::assert_snapshot!(text, @"field `rope_theta` of the configuration: is 500000, but rope_parameters says 10000");
}

#[test]
fn what_is_not_implemented_is_named() {
    let cases = [
        ("architectures", json!(["MistralForCausalLM"])),
        ("architectures", json!("LlamaForCausalLM")),
        ("hidden_act", json!("gelu")),
        ("mlp_bias", json!(true)),
        ("use_sliding_window", json!(true)),
        ("layer_types", json!(["full_attention", "sliding_attention"])),
        ("quantization_config", json!({ "bits": 4 })),
        ("partial_rotary_factor", json!(0.5)),
        ("rope_scaling", json!({ "type": "dynamic", "factor": 2.0 })),
        ("rope_scaling", json!({ "rope_type": "linear" })),
        ("rope_scaling", json!({ "rope_type": "yarn", "factor": -1.0 })),
        ("num_key_value_heads", json!(3)),
        ("head_dim", json!(7)),
        ("hidden_size", json!(0)),
        ("hidden_size", json!("32")),
        ("hidden_size", Value::Null),
        ("vocab_size", json!(1_u64 << 40)),
        ("rms_norm_eps", json!(-1.0)),
        ("tie_word_embeddings", json!("yes")),
        ("eos_token_id", json!("</s>")),
    ];
    let text: Vec<_> = cases.into_iter().map(|(field, value)| error(field, value)).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn families_differ_in_biases_and_norms() {
    let of = |class: &str| with("architectures", json!([class])).expect("valid");
    let (llama, qwen2, qwen3) = (of("LlamaForCausalLM"), of("Qwen2ForCausalLM"), of("Qwen3ForCausalLM"));
    assert_eq!((llama.qkv_bias, llama.output_bias, llama.qk_norm, llama.head_dim), (false, false, false, 8));
    assert_eq!((qwen2.qkv_bias, qwen2.output_bias, qwen2.qk_norm, qwen2.head_dim), (true, false, false, 8));
    assert_eq!((qwen3.qkv_bias, qwen3.output_bias, qwen3.qk_norm, qwen3.head_dim), (false, false, true, 128));
    assert_eq!(llama.eos_token_ids, [2, 3]);
}

#[test]
fn what_is_written_is_read_back() {
    let mut configs = vec![ModelConfig::nano(8192)];
    let yarn = json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 1.0,
        "mscale_all_dim": 0.5, "truncate": false });
    let scalings = [json!({ "type": "linear", "factor": 2.0 }), yarn];
    configs.extend(scalings.into_iter().map(|scaling| with("rope_scaling", scaling).expect("valid")));
    configs.push(with("architectures", json!(["Qwen2ForCausalLM"])).expect("valid"));
    configs.push(with("attention_bias", json!(true)).expect("valid"));
    for config in configs {
        assert_eq!(ModelConfig::from_json(&config.to_json()).expect("valid"), config);
    }
}

#[test]
fn nano_is_between_5_and_15_million() {
    for vocabulary in [512, 8192, 16384] {
        let count = ModelConfig::nano(vocabulary).parameter_count();
        assert!((4_500_000..15_000_000).contains(&count), "{vocabulary}: {count}");
    }
}

#[test]
fn files_that_are_no_configuration_are_errors() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.json");
    assert!(matches!(ModelConfig::load(&path), Err(ModelError::Io { .. })));
    std::fs::write(&path, "{").expect("written");
    assert!(matches!(ModelConfig::load(&path), Err(ModelError::Json { .. })));
    std::fs::write(&path, "[]").expect("written");
    assert!(matches!(ModelConfig::load(&path), Err(ModelError::Config { .. })));
    std::fs::write(&path, vec![b' '; (1 << 20) + 1]).expect("written");
    assert!(matches!(ModelConfig::load(&path), Err(ModelError::Input { .. })));
    let config = ModelConfig::nano(1000);
    config.save(&path)?;
    assert_eq!(ModelConfig::load(&path)?, config);
    Ok(())
}
