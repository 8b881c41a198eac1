//! The types of scalars.
//!
//! Specification: [YAML 1.2.2, core schema](https://yaml.org/spec/1.2.2/#103-core-schema).

use std::hash::{Hash as _, Hasher};

/// A scalar with the type that YAML's core schema gives it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, also as `0x1f` or `0o17`.
    Integer(i128),
    /// A number with a point or an exponent, `.inf` or `.nan`.
    Float(f64),
    /// Any other text, and every text in quotes.
    String(Box<str>),
}

impl Scalar {
    /// The type of a text without quotes.
    pub(crate) fn of_plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ => number(text).unwrap_or_else(|| Self::String(text.into())),
        }
    }

    /// The type of a text with a tag of the core schema, such as `!!str`; `None` if the text has another type.
    pub(crate) fn of_tagged(tag: &str, text: &str) -> Option<Self> {
        match (tag, Self::of_plain(text)) {
            ("str", _) => Some(Self::String(text.into())),
            // A whole number is a number, too.
            ("float", Self::Integer(number)) => Some(Self::Float(number as f64)),
            ("null", found @ Self::Null)
            | ("bool", found @ Self::Bool(_))
            | ("int", found @ Self::Integer(_))
            | ("float", found @ Self::Float(_)) => Some(found),
            _ => None,
        }
    }

    /// Adds the type and the value.
    pub(crate) fn hash_value(&self, state: &mut impl Hasher) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::Integer(number) => number.hash(state),
            Self::Float(number) => number.to_bits().hash(state),
            Self::String(text) => text.hash(state),
        }
    }

    /// The type's name in messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::String(_) => "a string",
        }
    }
}

fn number(text: &str) -> Option<Scalar> {
    let digits = |radix: u32, digits: &str| {
        let valid = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        valid.then(|| i128::from_str_radix(digits, radix).ok()).flatten().map(Scalar::Integer)
    };
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(16, hex);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(8, octal);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => {
            return Some(Scalar::Float(f64::NEG_INFINITY));
        }
        ".inf" | ".Inf" | ".INF" => return Some(Scalar::Float(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(Scalar::Float(f64::NAN)),
        _ => {}
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        // Beyond 128 bits, only the magnitude is left.
        let whole = text.parse().map(Scalar::Integer);
        return whole.or_else(|_| text.parse().map(Scalar::Float)).ok();
    }
    is_float(unsigned).then(|| text.parse().map(Scalar::Float).ok()).flatten()
}

/// `\.[0-9]+ | [0-9]+(\.[0-9]*)?`, and an exponent if there is one: Rust's own grammar also has words.
fn is_float(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_mantissa =
        is_digits(whole) && is_digits(fraction) && (!whole.is_empty() || !fraction.is_empty());
    let has_exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && is_digits(exponent)
    });
    has_mantissa && has_exponent
}

#[cfg(test)]
mod tests {
    use super::Scalar;

    #[test]
    fn core_schema() {
        let check = |texts: &[&str], expected: Scalar| {
            texts.iter().for_each(|text| assert_eq!(Scalar::of_plain(text), expected, "{text}"));
        };
        check(&["", "~", "null", "Null", "NULL"], Scalar::Null);
        check(&["true", "True", "TRUE"], Scalar::Bool(true));
        check(&["12", "+12", "0o14", "0xC", "0xc", "012"], Scalar::Integer(12));
        check(&["-12"], Scalar::Integer(-12));
        check(&["1.5", "+1.5", "15e-1", ".15E+1", "1.50"], Scalar::Float(1.5));
        check(&["1.", "1e0"], Scalar::Float(1.0));
        check(&[".inf", "+.INF"], Scalar::Float(f64::INFINITY));
        check(&["-.Inf"], Scalar::Float(f64::NEG_INFINITY));
        assert!(matches!(Scalar::of_plain(".NaN"), Scalar::Float(number) if number.is_nan()));
        assert!(
            matches!(Scalar::of_plain(&"9".repeat(60)), Scalar::Float(number) if number > 1e59)
        );
    }

    #[test]
    fn all_else_is_a_string() {
        let texts = "yes no on off inf nan infinity 1_000 0x 0xg 0o8 -0x1 . e1 1e 1e+ +.nan .e1 1.1.1 1d tRUE";
        for text in texts.split(' ') {
            assert_eq!(Scalar::of_plain(text), Scalar::String(text.into()));
        }
    }

    #[test]
    fn tags() {
        assert_eq!(Scalar::of_tagged("str", "12"), Some(Scalar::String("12".into())));
        assert_eq!(Scalar::of_tagged("float", "12"), Some(Scalar::Float(12.0)));
        assert_eq!(Scalar::of_tagged("int", "1.5"), None);
        assert_eq!(Scalar::of_tagged("binary", "1"), None);
    }
}
