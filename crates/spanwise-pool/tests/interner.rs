//! Equal strings share memory, within bounds.
#![cfg(not(loom))]

use std::sync::Arc;
use std::thread;

use opentelemetry::{Key, StringValue};
use proptest::prelude::*;
use spanwise_pool::Interner;

#[test]
fn equal_strings_share_their_memory() {
    let interner = Interner::new(100, 10_000);
    let (one, two) = (interner.intern("http.method"), interner.intern("http.method"));
    assert!(Arc::ptr_eq(&one, &two) && &*one == "http.method");
    assert!(!Arc::ptr_eq(&one, &interner.intern("http.url")));
    let stats = interner.stats();
    assert_eq!((stats.hits, stats.misses, stats.strings, stats.bytes), (1, 2, 2, 19));
}

/// `Key` holds the very `Arc`: no copy.
#[test]
fn what_is_interned_is_a_key_of_opentelemetry() {
    let interner = Interner::new(100, 10_000);
    let string = interner.intern("tenant.id");
    let before = Arc::strong_count(&string);
    let (key, value) = (Key::from(string.clone()), StringValue::from(string.clone()));
    assert_eq!((key.as_str(), value.as_str()), ("tenant.id", "tenant.id"));
    assert_eq!(Arc::strong_count(&string), before + 2);
}

#[test]
fn a_full_table_gives_out_strings_all_the_same() {
    let interner = Interner::new(8, 10_000);
    let held: Vec<_> = (0..20).map(|n| interner.intern(&format!("in use {n}"))).collect();
    let stats = interner.stats();
    assert_eq!((stats.strings, stats.refused, stats.evicted), (8, 12, 0));
    assert!(held.iter().enumerate().all(|(n, string)| **string == format!("in use {n}")));
}

#[test]
fn an_unused_string_is_evicted_for_a_new_one() {
    let interner = Interner::new(8, 10_000);
    for n in 0..2000 {
        interner.intern(&format!("once {n}"));
    }
    let held = interner.intern("held");
    for n in 0..2000 {
        interner.intern(&format!("again {n}"));
    }
    assert!(interner.stats().strings <= 8 && interner.stats().evicted > 16);
    drop(held);
}

#[test]
fn a_string_larger_than_a_shard_is_not_stored() {
    let interner = Interner::new(8, 100);
    interner.intern("small");
    assert_eq!(interner.intern(&"x".repeat(101)).len(), 101);
    assert_eq!((interner.stats().strings, interner.stats().refused), (1, 1));
}

#[test]
fn trim_retains_strings_in_use_and_strings_requested_since() {
    let interner = Interner::new(1000, 100_000);
    let held = interner.intern("held");
    for n in 0..500 {
        interner.intern(&n.to_string());
    }
    interner.trim();
    assert_eq!(interner.stats().strings, 501, "all were requested since");
    interner.intern("7");
    interner.trim();
    assert_eq!(interner.stats().strings, 2);
    assert!(Arc::ptr_eq(&held, &interner.intern("held")));
}

proptest! {
    #[test]
    fn the_interned_string_is_equal_and_the_bounds_hold(
        strings in 1..40_usize,
        bytes in 1..400_usize,
        requested in prop::collection::vec(("[a-c]{0,9}", any::<bool>()), 0..300),
    ) {
        let interner = Interner::new(strings, bytes);
        let mut held = Vec::new();
        for (string, keep) in &requested {
            let interned = interner.intern(string);
            prop_assert_eq!(&*interned, string);
            held.extend(keep.then_some(interned));
            let stats = interner.stats();
            // One shard up to 64 strings: the bounds are as given.
            prop_assert!(stats.strings <= strings && stats.bytes <= bytes);
        }
        let stats = interner.stats();
        prop_assert_eq!(stats.hits + stats.misses + stats.refused, requested.len() as u64);
        prop_assert_eq!(stats.misses, stats.strings as u64 + stats.evicted);
    }
}

#[test]
fn threads_get_equal_strings() {
    let interner = Interner::new(256, 100_000);
    thread::scope(|scope| {
        for me in 0..4 {
            let interner = &interner;
            scope.spawn(move || {
                for n in 0..5000 {
                    let string = format!("key {}", (n * 7 + me) % 100);
                    assert_eq!(&*interner.intern(&string), string);
                }
            });
        }
    });
    let stats = interner.stats();
    assert_eq!(stats.hits + stats.misses + stats.refused, 20_000);
    assert_eq!(stats.strings, 100);
}

#[test]
fn any_text_can_be_interned() {
    let interner = Interner::new(4, 64);
    let long = "x".repeat(1 << 20);
    let texts = ["", "\0", "\u{1b}[2J", "é", &long, "a", "b", "c", "d", "e"];
    for _ in 0..3 {
        let held: Vec<Arc<str>> = texts.iter().map(|text| interner.intern(text)).collect();
        interner.trim();
        assert!(held.iter().zip(texts).all(|(held, text)| **held == *text));
    }
}
