//! Thresholds and randomness by the specification.

use proptest::prelude::*;
use spanwise_sampling::{Randomness, Threshold};

#[test]
fn thresholds_equal_those_of_the_specification() {
    // The probability, and its `th` with three, four and five digits.
    for (probability, three, four, five) in [
        (1.0 / 3.0, "aab", "aaab", "aaaab"),
        (1.0 / 5.0, "ccd", "cccd", "ccccd"),
        (1.0 / 10.0, "e66", "e666", "e6666"),
        (1.0 / 100.0, "fd71", "fd70a", "fd70a4"),
        (1.0 / 1000.0, "ffbe7", "ffbe77", "ffbe76d"),
        (1e-4, "fff972", "fff9724", "fff97247"),
        (1e-5, "ffff584", "ffff583a", "ffff583a5"),
        (1e-6, "ffffef4", "ffffef39", "ffffef391"),
        (0.5, "8", "8", "8"),
        (0.25, "c", "c", "c"),
        (0.125, "e", "e", "e"),
        (0.0625, "f", "f", "f"),
        (1.0, "0", "0", "0"),
        (1.0 / 65_536.0, "ffff", "ffff", "ffff"),
    ] {
        for (digits, text) in [(3, three), (4, four), (5, five)] {
            let threshold = Threshold::with_digits(probability, digits).unwrap().unwrap();
            assert_eq!(threshold.to_string(), text, "{probability} in {digits} digits");
        }
        let default = Threshold::from_probability(probability).unwrap().unwrap();
        assert_eq!(&*default.text(), four);
    }
    assert_eq!(Threshold::nearest(1.0 / 3.0).to_string(), "aaaaaaaaaaaaac");
    let least = 1.0 / (1u64 << 56) as f64;
    for (times, text) in [(1.0, "f"), (2.0, "e"), (3.0, "d"), (4.0, "c"), (8.0, "8")] {
        let threshold = Threshold::from_probability(times * least).unwrap().unwrap();
        assert_eq!(threshold.to_string(), format!("fffffffffffff{text}"));
    }
}

#[test]
fn a_probability_near_one_has_four_significant_digits() {
    let threshold = Threshold::from_probability(0.999).unwrap().unwrap();
    assert_eq!(threshold.to_string(), "004189");
    assert!((threshold.probability() - 0.999).abs() < 1e-7);
}

#[test]
fn probabilities_out_of_range_are_rejected() {
    for probability in [f64::NAN, -0.1, 1.000_001, f64::INFINITY, 1e-300, f64::MIN_POSITIVE] {
        let error = Threshold::from_probability(probability).unwrap_err().to_string();
        assert!(error.contains(&format!("{probability:?}")) && error.contains("2^-56"), "{error}");
    }
    assert_eq!(Threshold::from_probability(0.0), Ok(None));
    assert_eq!(Threshold::from_probability(-0.0), Ok(None));
}

#[test]
fn malformed_thresholds_and_randomness_are_rejected() {
    for text in ["", "0x1", "14.5", "-1", "A", "$", " 1", "000000000000000", "é"] {
        assert_eq!(Threshold::parse(text), None, "{text}");
    }
    for text in ["", "0", "abcdefabcdefa", "abcdefabcdefabc", "ABCDEFABCDEFAB", "abcdefabcdefag"] {
        assert_eq!(Randomness::parse(text), None, "{text}");
    }
    assert_eq!(Threshold::new(1 << 56), None);
}

proptest! {
    #[test]
    fn the_text_of_a_threshold_parses_to_it(value in 0u64..1 << 56) {
        let threshold = Threshold::new(value).unwrap();
        prop_assert_eq!(Threshold::parse(&threshold.text()), Some(threshold));
        prop_assert!(threshold.text().len() == 1 || !threshold.text().ends_with('0'));
        let randomness = Randomness::of_number(value);
        prop_assert_eq!(Randomness::parse(&randomness.to_string()), Some(randomness));
    }

    #[test]
    fn probabilities_are_preserved_to_four_digits(exponent in -16.8f64..0.0) {
        let probability = 10f64.powf(exponent);
        let threshold = Threshold::from_probability(probability).unwrap().unwrap();
        let error = (threshold.probability() / probability - 1.0).abs();
        // Below 2^-44 fewer than four digits fit.
        prop_assert!(error < 1e-3 || probability < 1e-13, "{} for {}", threshold.probability(), probability);
        let product = threshold.probability() * threshold.adjusted_count();
        prop_assert!((product - 1.0).abs() < 1e-9);
    }

    #[test]
    fn smaller_probabilities_have_larger_thresholds(a in 1e-15f64..1.0, b in 1e-15f64..1.0) {
        let threshold = |p| Threshold::from_probability(p).unwrap().unwrap();
        let (small, large) = (a.min(b), a.max(b));
        prop_assert!(threshold(small) >= threshold(large));
        // Probabilities closer than four digits may have one threshold.
        if small < 0.998 * large && large > 1e-13 {
            prop_assert!(threshold(small) > threshold(large));
        }
    }
}
