use proptest::prelude::*;

use super::*;

const TEXTS: [&str; 4] = [
    "theorem add_comm (a b : Nat) : a + b = b + a := by omega",
    "theorem mul_comm (a b : Nat) : a * b = b * a := by ring",
    "∀ ε > 0, ∃ δ > 0, ∀ x, |x - a| < δ → |f x - f a| < ε",
    "  def f(x):\n\treturn x + 1\n\n\n",
];

fn trained() -> Tokenizer {
    let texts = TEXTS.into_iter().cycle().take(40);
    Tokenizer::train(texts, 320, &["<|end|>", "<|pad|>"]).expect("trained")
}

#[test]
fn training_is_the_same_each_time_and_survives_saving() -> Result<()> {
    let tokenizer = trained();
    assert_eq!(tokenizer.id("<|end|>"), Some(0));
    assert_eq!(tokenizer.id("<|pad|>"), Some(1));
    assert_eq!(tokenizer.vocab_size(), 320);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    tokenizer.save(&path)?;
    let bytes = std::fs::read(&path).expect("readable");
    trained().save(&path)?;
    assert_eq!(std::fs::read(&path).expect("readable"), bytes, "two trainings differ");
    let loaded = Tokenizer::load(&path)?;
    for text in TEXTS {
        let tokens = loaded.encode(text, true)?;
        assert_eq!(tokens, tokenizer.encode(text, true)?);
        assert!(tokens.len() * 3 < text.len() * 2, "{} tokens for {} bytes", tokens.len(), text.len());
        assert_eq!(loaded.decode(&tokens, false)?, text);
    }
    Ok(())
}

#[test]
fn special_tokens_are_one_token_and_can_be_left_out() -> Result<()> {
    let tokenizer = trained();
    let tokens = tokenizer.encode("a<|end|>", false)?;
    assert_eq!(tokens.last(), Some(&0));
    assert_eq!(tokenizer.decode(&tokens, true)?, "a");
    assert_eq!(tokenizer.decode(&tokens, false)?, "a<|end|>");
    Ok(())
}

#[test]
fn texts_can_start_with_a_token_and_the_file_says_so() -> Result<()> {
    let tokenizer = trained();
    assert_eq!(tokenizer.first_token()?, None);
    let plain = tokenizer.encode("a b", true)?;
    let tokenizer = tokenizer.starting_with("<|pad|>")?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    tokenizer.save(&path)?;
    let loaded = Tokenizer::load(&path)?;
    for tokenizer in [&tokenizer, &loaded] {
        assert_eq!(tokenizer.first_token()?, Some(1));
        assert_eq!(tokenizer.encode("a b", false)?, plain);
        assert_eq!(tokenizer.encode("a b", true)?, [&[1], plain.as_slice()].concat());
        assert_eq!(tokenizer.decode(&tokenizer.encode("a b", true)?, true)?, "a b");
    }
    let error = trained().starting_with("<|none|>").expect_err("refused").to_string();
    insta::assert_snapshot!(error, @"tokenizer: it has no token `<|none|>`");
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let tokenizer = trained();
    tokenizer.check_fits(320)?;
    let error = tokenizer.check_fits(319).expect_err("too small").to_string();
    insta::assert_snapshot!(error, @"tokenizer: its largest token is 319, the model has 319 tokens");
    assert!(tokenizer.decode(&[5, 320], false).is_err());
    assert!(Tokenizer::train(TEXTS.into_iter(), 257, &["<a>", "<b>"]).is_err());
    assert!(Tokenizer::train(TEXTS.into_iter(), 300, &["<a>", "<a>"]).is_err());
    assert!(Tokenizer::train(TEXTS.into_iter(), 300, &[""]).is_err());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    assert!(matches!(Tokenizer::load(&path), Err(ModelError::Io { .. })));
    std::fs::write(&path, "{}").expect("written");
    assert!(matches!(Tokenizer::load(&path), Err(ModelError::Tokenizer { .. })));
    Ok(())
}

proptest! {
    #[test]
    fn every_text_comes_back(text in any::<String>()) {
        static TOKENIZER: std::sync::LazyLock<Tokenizer> = std::sync::LazyLock::new(trained);
        let tokens = TOKENIZER.encode(&text, false).expect("encoded");
        prop_assert_eq!(TOKENIZER.decode(&tokens, false).expect("decoded"), text);
    }
}
