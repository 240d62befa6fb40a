//! Round trips, refusals and arbitrary bytes for the strict decoder.

use super::*;
use proptest::prelude::*;

fn hashable() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        Just(Value::Ellipsis),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::Int),
        (any::<bool>(), prop::collection::vec(0u16..1 << 15, 0..5), 1u16..1 << 15).prop_map(
            |(negative, mut digits, top)| {
                digits.push(top);
                Value::Long { negative, digits }
            }
        ),
        (-1e300..1e300f64).prop_map(Value::Float),
        (-1e3..1e3f64, -1e3..1e3f64).prop_map(|(real, imaginary)| Value::Complex(real, imaginary)),
        ".{0,8}".prop_map(|text| Value::Str(text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let many = prop::collection::vec(inner, 0..4);
        prop_oneof![many.clone().prop_map(Value::Tuple), many.prop_map(Value::FrozenSet)]
    })
}

fn value() -> impl Strategy<Value = Value> {
    hashable().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Tuple),
            prop::collection::vec(hashable(), 0..4).prop_map(Value::Set),
            prop::collection::vec((hashable(), inner), 0..4).prop_map(Value::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn round_trip(value in value()) {
        prop_assert_eq!(decode(&encode(&value)), Ok(value));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode(&bytes).is_ok(), validate(&bytes).is_ok());
    }

    #[test]
    fn damaged_messages_never_panic(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert_eq!(decode(&bytes).is_ok(), validate(&bytes).is_ok());
        bytes.truncate(at);
        prop_assert!(decode(&bytes).is_err());
    }
}

#[test]
fn refuses_what_may_not_cross() {
    let cases: [(&[u8], WireError); 12] = [
        (b"", WireError::Truncated),
        (b"c", WireError::Type(b'c')),
        (b"S", WireError::Type(b'S')),
        (b"r\0\0\0\0", WireError::Type(b'r')),
        (b"\xe9\0\0\0\0", WireError::Type(0xe9)),
        (b"R\0\0\0\0", WireError::Type(b'R')),
        (b"NN", WireError::Trailing),
        (b"<\x01\0\0\0[\0\0\0\0", WireError::Unhashable),
        (b"{[\0\0\0\0N0", WireError::Unhashable),
        (b"l\x01\0\0\0\0\0", WireError::Malformed),
        (b"u\x01\0\0\0\xff", WireError::Malformed),
        (b"[\xff\xff\xff\x7f", WireError::Truncated),
    ];
    for (bytes, error) in cases {
        assert_eq!(validate(bytes), Err(error), "{bytes:?}");
    }
    let mut deep = b"[\x01\0\0\0".repeat(MAX_DEPTH + 2);
    deep.push(b'N');
    assert_eq!(validate(&deep), Err(WireError::Depth));
}

#[test]
fn lone_surrogates_cross() {
    assert_eq!(validate(b"u\x04\0\0\0a\xed\xa0\x80"), Ok(()));
}
