use proptest::prelude::*;

use super::*;

const SAMPLE: &str = "theorem two : 1 + 1 = 2 := by norm_num -- ∀ ε > 0, ∃ δ; naïve 😀 «x» \n\n";

fn byte_level() -> Tokenizer {
    Tokenizer::train(std::iter::repeat_n(SAMPLE, 3), 300, &["<end>"]).expect("trained")
}

fn run(
    tokenizer: &Tokenizer,
    prompt: &[u32],
    tokens: &[u32],
    stops: &[String],
) -> (Vec<String>, bool, String) {
    let mut stream = TextStream::new(tokenizer, prompt, stops);
    let mut pieces = Vec::new();
    for &token in tokens {
        let (piece, is_stopped) = stream.push(tokenizer, token).expect("decoded");
        pieces.push(piece);
        if is_stopped {
            return (pieces, true, stream.into_text());
        }
    }
    pieces.push(stream.end(tokenizer).expect("decoded"));
    (pieces, false, stream.into_text())
}

/// Character by character: the first moment at which a stop string is complete, and the text before it.
fn naive_stop(text: &str, stops: &[String]) -> Option<String> {
    for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
        let done = stops.iter().filter(|stop| text[..end].ends_with(stop.as_str()));
        if let Some(longest) = done.map(String::len).max() {
            return Some(text[..end - longest].to_owned());
        }
    }
    None
}

proptest! {
    #[test]
    fn pieces_are_the_text(tokens in prop::collection::vec(0..310_u32, 0..60)) {
        let tokenizer = byte_level();
        let known: Vec<u32> =
            tokens.iter().copied().filter(|&token| (token as usize) < tokenizer.vocab_size()).collect();
        let (pieces, is_stopped, text) = run(&tokenizer, &[], &tokens, &[]);
        prop_assert!(!is_stopped);
        prop_assert_eq!(&pieces.concat(), &text);
        prop_assert_eq!(text, tokenizer.decode(&known, true).expect("decoded"));
    }

    #[test]
    fn stop_strings_end_the_text_wherever_tokens_end(
        text in "[ab é]{0,20}",
        stops in prop::collection::vec("[ab é]{1,4}", 0..3),
        cuts in prop::collection::vec(0..20_usize, 0..20),
    ) {
        let mut stop = Stops::new(&stops);
        let mut told = String::new();
        let mut is_stopped = false;
        let mut pieces = vec![String::new()];
        for (index, character) in text.chars().enumerate() {
            if cuts.contains(&index) {
                pieces.push(String::new());
            }
            pieces.last_mut().expect("one").push(character);
        }
        for piece in pieces {
            let (piece, stopped) = stop.push(&piece);
            told.push_str(&piece);
            if stopped {
                is_stopped = true;
                break;
            }
        }
        if !is_stopped {
            told.push_str(&stop.end());
        }
        let wanted = naive_stop(&text, &stops);
        prop_assert_eq!(is_stopped, wanted.is_some());
        prop_assert_eq!(told, wanted.unwrap_or(text));
    }
}

#[test]
fn half_a_character_is_held_back() {
    let tokenizer = byte_level();
    let mut stream = TextStream::new(&tokenizer, &[], &[]);
    let byte = |byte: u8| {
        let character = BYTES.iter().find(|(_, value)| **value == byte).expect("all bytes").0;
        tokenizer.id(&character.to_string()).expect("all bytes")
    };
    let smile = "😀".as_bytes();
    for &part in &smile[..3] {
        assert_eq!(stream.push(&tokenizer, byte(part)).expect("decoded").0, "");
    }
    assert_eq!(stream.push(&tokenizer, byte(smile[3])).expect("decoded").0, "😀");
    // The beginning of one, then something else.
    assert_eq!(stream.push(&tokenizer, byte(smile[0])).expect("decoded").0, "");
    assert_eq!(stream.push(&tokenizer, byte(b'a')).expect("decoded").0, "\u{FFFD}a");
    assert_eq!(stream.push(&tokenizer, byte(smile[0])).expect("decoded").0, "");
    assert_eq!(stream.end(&tokenizer).expect("decoded"), "\u{FFFD}");
}

#[test]
fn what_may_become_a_stop_string_is_held_back() {
    let mut stop = Stops::new(&["\n\n".to_owned(), "end".to_owned()]);
    assert_eq!(stop.push("a\n"), ("a".to_owned(), false));
    assert_eq!(stop.push("b en"), ("\nb ".to_owned(), false));
    assert_eq!(stop.push("try e"), ("entry ".to_owned(), false));
    assert_eq!(stop.push("nd\n\n"), (String::new(), true));
}

#[test]
fn other_tokenizers_are_decoded_in_their_context() {
    let json = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null,
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "ByteFallback" },
            { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true },
        ]},
        "model": { "type": "WordLevel", "unk_token": "?", "vocab": {
            "?": 0, "▁a": 1, "▁b": 2, "c": 3, "<0xC3>": 4, "<0xA9>": 5, "<0xFF>": 6,
        }},
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, json.to_string()).expect("written");
    let tokenizer = Tokenizer::load(&path).expect("read");
    // Behind a prompt the space of the first token is text; at the beginning it is not.
    let (pieces, _, text) = run(&tokenizer, &[1, 3], &[2, 3, 1], &[]);
    assert_eq!((pieces, text.as_str()), ([" b", "c", " a", ""].map(str::to_owned).to_vec(), " bc a"));
    let (_, _, text) = run(&tokenizer, &[], &[2, 3, 1], &[]);
    assert_eq!(text, "bc a");
    let (pieces, _, text) = run(&tokenizer, &[1], &[4, 5, 3], &[]);
    assert_eq!((pieces[0].as_str(), text.as_str()), ("", "éc"));
    // Bytes that never become a character don't hold the text back for ever.
    let (pieces, _, _) = run(&tokenizer, &[1], &[6; 12], &[]);
    assert!(pieces[..12].iter().any(|piece| !piece.is_empty()));
}
