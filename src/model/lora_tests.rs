use candle_core::{Device, Tensor};

use super::*;
use crate::model::context::Layout;

const CPU: Device = Device::Cpu;

fn model() -> Decoder {
    let mut config = ModelConfig::nano(11);
    (config.hidden_size, config.layers, config.head_dim, config.intermediate_size) = (8, 2, 4, 12);
    Decoder::init(config, 1, DType::F32, &CPU).expect("made")
}

/// Adapters whose `B` is not zero.
fn adapters(config: LoraConfig, model: &Decoder) -> Lora {
    let lora = Lora::init(config, model, 5).expect("made");
    for (name, var) in lora.parameters.iter().filter(|(name, _)| name.contains("lora_B")) {
        let values = init::normal(var.elem_count(), 0.5, 9, name);
        var.set(&Tensor::from_vec(values, var.shape(), &CPU).expect("fits")).expect("set");
    }
    lora
}

fn logits(model: &Decoder, dropout: Option<crate::model::Dropout>) -> Vec<f32> {
    let tokens = Tensor::new(&[[1_u32, 2, 3, 4, 5]], &CPU).expect("tokens");
    let context = model.train_context(5, Layout::OneText, dropout).expect("context");
    let hidden = model.forward_train(&tokens, &context).expect("forward");
    model.logits(&hidden).and_then(|logits| Ok(logits.flatten_all()?.to_vec1()?)).expect("logits")
}

fn distance(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[test]
fn new_adapters_change_nothing_and_only_they_train() -> Result<()> {
    let plain = logits(&model(), None);
    let adapted = model();
    let lora = Lora::init(LoraConfig::all_projections(4), &adapted, 5)?;
    let adapted = adapted.with_lora(lora)?;
    assert_eq!(logits(&adapted, None), plain);
    assert_eq!(adapted.trainable().len(), 2 * 7 * 2);
    assert!(adapted.trainable().keys().all(|name| name.starts_with("base_model.model.model.layers.")));
    let context = adapted.train_context(3, Layout::OneText, None)?;
    let hidden = adapted.forward_train(&Tensor::new(&[[1_u32, 2, 3]], &CPU)?, &context)?;
    let gradients = adapted.loss(&hidden, &[2, 3, 4], &[1.0, 1.0, 1.0])?.backward()?;
    for (name, var) in adapted.trainable() {
        assert!(gradients.get(var).is_some(), "{name} has no gradient");
    }
    for (name, var) in adapted.parameters() {
        assert!(gradients.get(var).is_none(), "{name} is frozen and has a gradient");
    }
    Ok(())
}

#[test]
fn merged_equals_unmerged() -> Result<()> {
    for rank_stabilized in [false, true] {
        let config = LoraConfig { rank_stabilized, ..LoraConfig::all_projections(4) };
        let base = model();
        let lora = adapters(config, &base);
        let plain = logits(&base, None);
        let adapted = base.with_lora(lora)?;
        let expected = logits(&adapted, None);
        assert!(distance(&plain, &expected) > 0.01);
        let merged = adapted.merge_lora()?;
        assert!(merged.lora().is_none() && merged.trainable().len() == merged.parameters().len());
        assert!(distance(&logits(&merged, None), &expected) < 1e-5);
    }
    Ok(())
}

#[test]
fn what_is_saved_is_loaded() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let base = model();
    let config = LoraConfig {
        target_modules: vec!["q_proj".to_owned(), "layers.1.mlp.down_proj".to_owned()],
        dropout: 0.25,
        base_model: Some("base".to_owned()),
        ..LoraConfig::all_projections(2)
    };
    let lora = adapters(config, &base);
    assert_eq!(lora.parameters.len(), 2 * 3);
    lora.save(folder.path())?;
    let loaded = Lora::load(folder.path(), &base)?;
    assert_eq!(loaded.config, lora.config);
    let expected = logits(&model().with_lora(lora)?, None);
    assert_eq!(logits(&base.with_lora(loaded)?, None), expected);
    Ok(())
}

#[test]
fn dropout_depends_on_its_seed_alone() -> Result<()> {
    let base = model();
    let lora = adapters(LoraConfig { dropout: 0.5, ..LoraConfig::all_projections(4) }, &base);
    let adapted = base.with_lora(lora)?;
    let with = |seed| logits(&adapted, Some(crate::model::Dropout { seed }));
    assert_eq!(with(1), with(1));
    assert!(distance(&with(1), &with(2)) > 1e-4);
    assert!(distance(&with(1), &logits(&adapted, None)) > 1e-4);
    Ok(())
}

#[test]
fn what_is_not_implemented_is_named() {
    let mut errors = Vec::new();
    let mut refused = |field: &str, value: Value| {
        let mut config = LoraConfig::all_projections(4).to_json();
        config[field] = value;
        errors.push(LoraConfig::from_json(&config).expect_err("refused").to_string());
    };
    refused("peft_type", json!("IA3"));
    refused("bias", json!("all"));
    refused("use_dora", json!(true));
    refused("modules_to_save", json!(["lm_head"]));
    refused("rank_pattern", json!({ "q_proj": 2 }));
    refused("target_modules", json!("all-linear"));
    refused("r", json!(0));
    refused("lora_dropout", json!(1.0));
    refused("lora_alpha", Value::Null);
    insta::assert_snapshot!(errors.join("\n"));
    let config = LoraConfig { target_modules: vec!["lm_head".to_owned()], ..LoraConfig::all_projections(4) };
    assert!(Lora::init(config, &model(), 1).is_err());
}

#[test]
fn adapters_of_another_model_are_refused() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let base = model();
    adapters(LoraConfig::all_projections(4), &base).save(folder.path())?;
    let mut wider = base.config().clone();
    wider.intermediate_size = 16;
    let wider = Decoder::init(wider, 1, DType::F32, &CPU)?;
    assert!(matches!(Lora::load(folder.path(), &wider), Err(ModelError::Tensor { .. })));
    let mut shallower = base.config().clone();
    shallower.layers = 1;
    let shallower = Decoder::init(shallower, 1, DType::F32, &CPU)?;
    assert!(matches!(Lora::load(folder.path(), &shallower), Err(ModelError::Tensor { .. })));
    Ok(())
}
