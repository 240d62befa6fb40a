//! Isabelle's symbols: which Unicode character stands for which `\<name>`, and how the server counts them.
//!
//! A theory that we write has none but ASCII outside of comments, because what a character beyond it means to the outer
//! syntax depends on who decodes the file.

/// Characters with their names.
const NAMES: &str = "
α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi ρ rho σ sigma
τ tau υ upsilon φ phi χ chi ψ psi ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega
ℂ complex ℕ nat ℚ rat ℝ real ℤ int ℙ bbbP
← leftarrow ⟵ longleftarrow → rightarrow ⟶ longrightarrow ⇐ Leftarrow ⟸ Longleftarrow ⇒ Rightarrow ⟹ Longrightarrow
↔ leftrightarrow ⟷ longleftrightarrow ⇔ Leftrightarrow ⟺ Longleftrightarrow ↦ mapsto ⟼ longmapsto ⤏ longlongrightarrow
↝ leadsto ⇀ rightharpoonup ⇌ rightleftharpoons ∷ Colon ↑ up ⇑ Up ↓ down ⇓ Down
⟨ langle ⟩ rangle ⌈ lceil ⌉ rceil ⌊ lfloor ⌋ rfloor ⦇ lparr ⦈ rparr ⟦ lbrakk ⟧ rbrakk « guillemotleft » guillemotright
⊥ bottom ⊤ top ∧ and ⋀ And ∨ or ⋁ Or ∀ forall ∃ exists ∄ nexists ¬ not ○ circle □ box ◇ diamond ⊢ turnstile ⊨ Turnstile
√ surd ≤ le ≥ ge ≪ lless ≫ ggreater ∈ in ∉ notin ⊂ subset ⊃ supset ⊆ subseteq ⊇ supseteq ⊏ sqsubset ⊑ sqsubseteq
∩ inter ⋂ Inter ∪ union ⋃ Union ⊔ squnion ⨆ Squnion ⊓ sqinter ⨅ Sqinter ∖ setminus ∝ propto ⊎ uplus ≠ noteq ∼ sim ≐ doteq
≃ simeq ≈ approx ≅ cong ≡ equiv ≺ prec ≻ succ ≼ preceq ≽ succeq ∥ parallel ± plusminus ∓ minusplus × times ÷ div ⋅ cdot
∗ sstar ∙ bullet ∘ circ † dagger ‡ ddagger ⊲ lhd ⊳ rhd ⊕ oplus ⨁ Oplus ⊗ otimes ⨂ Otimes ⊙ odot ⊖ ominus ⊘ oslash … dots
⋯ cdots ∑ Sum ∏ Prod ∐ Coprod ∞ infinity ∫ integral ∮ ointegral ℵ aleph ∅ emptyset ∇ nabla ∂ partial ♭ flat ♮ natural
♯ sharp ∠ angle © copyright ® registered ° degree § section ¶ paragraph ¡ exclamdown ¿ questiondown € euro £ pounds
¦ bar ¨ dieresis ¯ inverse ¼ onequarter ½ onehalf ¾ threequarters ª ordfeminine º ordmasculine
‹ open › close ⌂ ^here ⇩ ^sub ⇧ ^sup ❙ ^bold ― comment
";

fn name_of(character: char) -> Option<&'static str> {
    let mut words = NAMES.split_whitespace();
    while let (Some(symbol), Some(name)) = (words.next(), words.next()) {
        if symbol.chars().eq([character]) {
            return Some(name);
        }
    }
    None
}

/// The characters that have no symbol of their own, but the form of a letter or digit with a control symbol before it.
fn with_control(character: char) -> Option<(&'static str, char)> {
    const SUBSCRIPTS: &str = "₀₁₂₃₄₅₆₇₈₉";
    const SUPERSCRIPTS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    let digit = |of: &str| of.chars().zip('0'..='9').find(|(symbol, _)| *symbol == character);
    digit(SUBSCRIPTS)
        .map(|(_, digit)| ("^sub", digit))
        .or_else(|| digit(SUPERSCRIPTS).map(|(_, digit)| ("^sup", digit)))
}

/// The text with symbols written out and its lines ended by line feeds only. What has no name stays as it is.
#[must_use]
pub fn to_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '\r' => ascii.push('\n'),
            _ if character.is_ascii() => ascii.push(character),
            _ => {
                if let Some(name) = name_of(character) {
                    ascii.push_str(&format!("\\<{name}>"));
                } else if let Some((control, character)) = with_control(character) {
                    ascii.push_str(&format!("\\<{control}>{character}"));
                } else {
                    ascii.push(character);
                }
            }
        }
    }
    ascii
}

/// Length of the symbol that the text begins with: `\<name>`, `\<^name>`, or one character. 0 at the end.
#[must_use]
pub fn symbol_length(text: &str) -> usize {
    let named = text.strip_prefix("\\<").and_then(|inside| {
        let name = inside.strip_prefix('^').unwrap_or(inside);
        let word = name
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\''))
            .count();
        let starts_with_letter = name.starts_with(|first: char| first.is_ascii_alphabetic());
        let caret = inside.len() - name.len();
        (starts_with_letter && name[word..].starts_with('>')).then_some(2 + caret + word + 1)
    });
    named.unwrap_or_else(|| text.chars().next().map_or(0, char::len_utf8))
}

/// How many symbols the text has: the server's offsets count them.
#[must_use]
pub fn count(text: &str) -> u64 {
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        at += symbol_length(&text[at..]);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_belongs_to_one_character() {
        let words: Vec<&str> = NAMES.split_whitespace().collect();
        assert_eq!(words.len() % 2, 0);
        let mut symbols = std::collections::BTreeSet::new();
        let mut names = std::collections::BTreeSet::new();
        for pair in words.chunks(2) {
            assert_eq!(pair[0].chars().count(), 1, "{pair:?}");
            assert!(!pair[0].is_ascii() && pair[1].is_ascii(), "{pair:?}");
            assert!(symbols.insert(pair[0]) && names.insert(pair[1]), "{pair:?} is there twice");
        }
    }

    #[test]
    fn symbols_are_written_out() {
        assert_eq!(
            to_ascii("∀x₁. x₁² ≤ ‹a›\r\nb\rc 日"),
            "\\<forall>x\\<^sub>1. x\\<^sub>1\\<^sup>2 \\<le> \\<open>a\\<close>\nb\nc 日"
        );
    }

    #[test]
    fn a_symbol_counts_once() {
        for (text, symbols) in [
            ("", 0),
            ("a\\<le>b", 3),
            ("\\<^sub>1", 2),
            ("日本", 2),
            ("\\<a b>", 6),
            ("\\<>", 3),
            ("\\<1>", 4),
        ] {
            assert_eq!(count(text), symbols, "{text}");
        }
        // The place of `thm_oracles` in a theory that a real server has checked.
        let before = "theory PGood imports Pure begin\nlemma a: \"PROP A \\<Longrightarrow> PROP A\" .\n";
        assert_eq!(count(before) + 1, 62);
    }

    proptest! {
        #[test]
        fn to_ascii_settles(text in "\\PC{0,40}") {
            let once = to_ascii(&text);
            prop_assert!(count(&once) <= once.chars().count() as u64);
            prop_assert_eq!(to_ascii(&once), once);
        }
    }
}
