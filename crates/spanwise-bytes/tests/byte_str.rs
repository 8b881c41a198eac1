//! `ByteStr` beside `String`, which is the model.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;

use proptest::prelude::*;
use spanwise_bytes::ByteStr;
use spanwise_bytes::bytes::{Bytes, BytesMut};

proptest! {
    #[test]
    fn from_utf8_accepts_what_string_accepts(bytes: Vec<u8>, text: String, cut: usize) {
        // Random bytes are seldom UTF-8, and a text cut anywhere is so about half of the time.
        let mut cut_text = text.clone().into_bytes();
        cut_text.truncate(cut % (text.len() + 1));
        for bytes in [bytes, cut_text, text.into_bytes()] {
            let shared = Bytes::from(bytes.clone());
            match (ByteStr::from_utf8(shared.clone()), String::from_utf8(bytes.clone())) {
                (Ok(ours), Ok(model)) => {
                    prop_assert_eq!(ours.as_str(), &model);
                    prop_assert_eq!(ours.as_ptr(), shared.as_ptr());
                }
                (Err(ours), Err(model)) => {
                    prop_assert_eq!(ours.utf8_error(), model.utf8_error());
                    prop_assert_eq!(ours.as_bytes(), &bytes[..]);
                    prop_assert_eq!(ours.into_bytes().as_ptr(), shared.as_ptr());
                }
                (ours, model) => prop_assert!(false, "{ours:?} where String has {model:?}"),
            }
        }
    }

    #[test]
    fn it_compares_hashes_and_prints_as_a_str(a: String, b: String) {
        let (ours_a, ours_b) = (ByteStr::from(a.clone()), b.parse::<ByteStr>().unwrap());
        prop_assert_eq!(ours_a == ours_b, a == b);
        prop_assert_eq!(ours_a.cmp(&ours_b), a.cmp(&b));
        prop_assert_eq!(ours_a.partial_cmp(&b), a.partial_cmp(&b));
        prop_assert_eq!(a.partial_cmp(&ours_b), a.partial_cmp(&b));
        prop_assert_eq!(ours_a.partial_cmp(b.as_str()), a.partial_cmp(&b));
        prop_assert_eq!((ours_a == b, ours_a == *b.as_str(), a == ours_b), (a == b, a == b, a == b));
        let state = RandomState::new();
        prop_assert_eq!(state.hash_one(&ours_a), state.hash_one(a.as_str()));
        let text: &str = ours_a.borrow();
        prop_assert_eq!(text, &a);
        prop_assert_eq!(format!("{ours_a} {ours_a:?} {ours_a:>9.2}"), format!("{a} {a:?} {a:>9.2}"));
    }

    #[test]
    fn a_slice_is_what_str_get_returns(text: String, a in 0..40usize, b in 0..40usize) {
        let ours = ByteStr::from(text.clone());
        fn same(ours: Option<ByteStr>, model: Option<&str>) -> Result<(), TestCaseError> {
            prop_assert_eq!(ours.as_deref(), model);
            Ok(())
        }
        same(ours.slice(a..b), text.get(a..b))?;
        same(ours.slice(a..=b), text.get(a..=b))?;
        same(ours.slice(a..), text.get(a..))?;
        same(ours.slice(..b), text.get(..b))?;
        same(ours.slice(..=b), text.get(..=b))?;
        same(ours.slice(..), text.get(..))?;
        same(
            ours.slice((Bound::Excluded(a), Bound::Unbounded)),
            text.get((Bound::Excluded(a), Bound::Unbounded)),
        )?;
    }

    #[test]
    fn slice_ref_finds_each_part_in_the_same_memory(text: String) {
        let ours = ByteStr::from(text.clone());
        for part in ours.split_inclusive(|c: char| c.is_ascii_punctuation()) {
            let slice = ours.slice_ref(part).unwrap();
            prop_assert_eq!(&slice, part);
            prop_assert_eq!(slice.as_ptr(), part.as_ptr());
        }
        // Equal text in other memory is not a part.
        prop_assert_eq!(ours.slice_ref(&text).is_some(), text.is_empty());
    }
}

#[test]
fn conversions_stay_in_the_same_memory() {
    let text = String::from("hello");
    let memory = text.as_ptr();
    let ours = ByteStr::from(text);
    assert_eq!(ours.clone().as_ptr(), memory);
    assert_eq!(ours.slice(1..3).unwrap().as_ptr(), memory.wrapping_add(1));
    let bytes = Bytes::from(ours);
    assert_eq!((bytes.as_ptr(), &bytes[..]), (memory, &b"hello"[..]));
    let text = String::from(ByteStr::try_from(bytes).unwrap());
    assert_eq!((text.as_ptr(), &text[..]), (memory, "hello"));

    let memory = text.as_ptr();
    assert_eq!(ByteStr::from(text.into_boxed_str()).as_ptr(), memory);
    let literal = "literal";
    assert_eq!(ByteStr::from(literal).as_ptr(), literal.as_ptr());
    assert_eq!(ByteStr::from(Cow::Borrowed(literal)).as_ptr(), literal.as_ptr());
    let owned = String::from("owned");
    let memory = owned.as_ptr();
    assert_eq!(ByteStr::from(Cow::Owned(owned)).as_ptr(), memory);
    let vec = b"vec".to_vec();
    let memory = vec.as_ptr();
    assert_eq!(ByteStr::try_from(vec).unwrap().as_ptr(), memory);
    let memory = BytesMut::from("mut");
    let address = memory.as_ptr();
    assert_eq!(ByteStr::try_from(memory).unwrap().as_ptr(), address);
}

#[test]
fn a_shared_string_is_copied_to_become_a_string() {
    let ours = ByteStr::from(String::from("shared"));
    let copy = ours.clone().into_string();
    assert_eq!((copy.as_str(), copy.as_ptr() == ours.as_ptr()), ("shared", false));
}

#[test]
fn slices_outside_of_the_text_are_none() {
    let ours = ByteStr::from_static("äb");
    assert_eq!(ours.slice(1..), None);
    assert_eq!(ours.slice(..=0), None);
    assert_eq!(ours.slice(..usize::MAX), None);
    assert_eq!(ours.slice(..=usize::MAX), None);
    assert_eq!(ours.slice((Bound::Excluded(usize::MAX), Bound::Unbounded)), None);
    #[allow(clippy::reversed_empty_ranges, reason = "the case under test")]
    let reversed = ours.slice(3..2);
    assert_eq!(reversed, None);
    assert_eq!(ours.slice(3..).as_deref(), Some(""));
    assert_eq!(ours.slice_ref("").as_deref(), Some(""));
    // A part of the same memory that this slice does not cover.
    let tail = ours.slice(2..).unwrap();
    assert_eq!(tail.slice_ref(&ours), None);
    assert_eq!(ours.slice_ref(&tail).as_deref(), Some("b"));
}

#[test]
fn maps_with_its_keys_are_searched_with_a_str() {
    let key = ByteStr::from_static("key");
    let hashed = HashMap::from([(key.clone(), 1)]);
    let sorted = BTreeMap::from([(key, 1)]);
    assert_eq!((hashed.get("key"), sorted.get("key")), (Some(&1), Some(&1)));
}

#[test]
fn the_error_names_the_position_and_hides_the_bytes() {
    let error = ByteStr::try_from(b"secret \xff".to_vec()).unwrap_err();
    let text = "8 bytes are not UTF-8: invalid utf-8 sequence of 1 bytes from index 7";
    assert_eq!((error.to_string(), format!("{error:?}")), (text.into(), text.into()));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn it_is_an_empty_string_by_default_and_const() {
    static EMPTY: ByteStr = ByteStr::new();
    static NAME: ByteStr = ByteStr::from_static("name");
    assert_eq!((&EMPTY, EMPTY.is_empty(), NAME.len()), (&ByteStr::default(), true, 4));
    fn is_shared<T: Send + Sync + Unpin + 'static>(_: &T) {}
    is_shared(&NAME);
}
