//! The functions that conditions may call.

use std::borrow::Cow;

use super::field::{Subject, hex_text};
use super::json;
use super::value::Value;
use crate::pattern::Pattern;
use crate::policy::EvaluationError;

/// A function with its literal arguments; the others are evaluated for each span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Function {
    IsRootSpan,
    IsMatch(Pattern),
    IsString,
    IsInt,
    IsDouble,
    IsBool,
    IsMap,
    IsList,
    Len,
    Concat,
    Int,
    Double,
    String,
    Bool,
    Substring,
    Split,
    HasPrefix,
    HasSuffix,
    ToLowerCase,
    ToUpperCase,
    ContainsValue,
    TraceId,
    SpanId,
}

type Evaluated<'a> = Result<Value<'a>, EvaluationError>;

impl Function {
    /// The function of a name with the number of its arguments. `IsMatch` is completed by its pattern.
    pub(crate) fn named(name: &str) -> Option<(Self, usize)> {
        Some(match name {
            "IsRootSpan" => (Self::IsRootSpan, 0),
            "IsString" => (Self::IsString, 1),
            "IsInt" => (Self::IsInt, 1),
            "IsDouble" => (Self::IsDouble, 1),
            "IsBool" => (Self::IsBool, 1),
            "IsMap" => (Self::IsMap, 1),
            "IsList" => (Self::IsList, 1),
            "Len" => (Self::Len, 1),
            "Concat" => (Self::Concat, 2),
            "Int" => (Self::Int, 1),
            "Double" => (Self::Double, 1),
            "String" => (Self::String, 1),
            "Bool" => (Self::Bool, 1),
            "Substring" => (Self::Substring, 3),
            "Split" => (Self::Split, 2),
            "HasPrefix" => (Self::HasPrefix, 2),
            "HasSuffix" => (Self::HasSuffix, 2),
            "ToLowerCase" => (Self::ToLowerCase, 1),
            "ToUpperCase" => (Self::ToUpperCase, 1),
            "ContainsValue" => (Self::ContainsValue, 2),
            "TraceID" => (Self::TraceId, 1),
            "SpanID" => (Self::SpanId, 1),
            _ => return None,
        })
    }

    /// Calls the function with its arguments, of which there are as many as [`named`](Self::named) returned.
    ///
    /// # Errors
    /// An argument has a type that the function does not take.
    pub(crate) fn call<'a, 'b: 'a>(
        &self,
        subject: &Subject<'_, 'b>,
        arguments: &[Value<'a>],
    ) -> Evaluated<'a> {
        let argument = |index: usize| arguments.get(index).unwrap_or(&Value::Nil);
        let first = argument(0);
        let is = |condition: bool| Ok(Value::Bool(condition));
        match self {
            Self::IsRootSpan => {
                let span = subject.span;
                is(span.is_root() || span.parent_span_id() == Some([0; 8]))
            }
            Self::IsMatch(pattern) => {
                is(text_like(first)?.is_some_and(|text| pattern.is_match(&text)))
            }
            Self::IsString => is(matches!(first, Value::Str(_))),
            Self::IsInt => is(matches!(first, Value::Int(_))),
            Self::IsDouble => is(matches!(first, Value::Double(_))),
            Self::IsBool => is(matches!(first, Value::Bool(_))),
            Self::IsMap => is(first.entries().is_some()),
            Self::IsList => is(first.elements().is_some()),
            Self::Len => length(first),
            Self::Concat => concat(first, argument(1)),
            Self::Int => int(first),
            Self::Double => double(first),
            Self::String => Ok(text_like(first)?.map_or(Value::Nil, Value::Str)),
            Self::Bool => boolean(first),
            Self::Substring => substring(text(first)?, argument(1), argument(2)),
            Self::Split => split(text(first)?, text(argument(1))?),
            Self::HasPrefix => is(text(first)?.starts_with(text(argument(1))?)),
            Self::HasSuffix => is(text(first)?.ends_with(text(argument(1))?)),
            Self::ToLowerCase => Ok(Value::Str(Cow::Owned(text(first)?.to_lowercase()))),
            Self::ToUpperCase => Ok(Value::Str(Cow::Owned(text(first)?.to_uppercase()))),
            Self::ContainsValue => {
                let mut elements = first.elements().ok_or_else(|| unsuited("a list", first))?;
                let wanted = argument(1);
                is(elements.any(|value| value.compare(super::lexer::Comparison::Equal, wanted)))
            }
            Self::TraceId => id(first, 16),
            Self::SpanId => id(first, 8),
        }
    }
}

fn unsuited(expected: &str, found: &Value<'_>) -> EvaluationError {
    EvaluationError::new(format!("expected {expected} but got {}", found.type_name()))
}

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, EvaluationError> {
    match value {
        Value::Str(text) => Ok(text),
        other => Err(unsuited("string", other)),
    }
}

/// A value as text; `None` for nil.
fn text_like<'a>(value: &Value<'a>) -> Result<Option<Cow<'a, str>>, EvaluationError> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::Str(text) => text.clone(),
        Value::Bytes(bytes) | Value::Id(bytes) => Cow::Owned(hex_text(bytes)),
        other => Cow::Owned(json::text(other).ok_or_else(|| unsuited("a value", other))?),
    }))
}

fn length<'a>(value: &Value<'a>) -> Evaluated<'a> {
    let count = match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        other => match (other.elements(), other.entries()) {
            (Some(elements), _) => elements.count(),
            (None, Some(entries)) => entries.count(),
            (None, None) => return Err(unsuited("a string, a list or a map", other)),
        },
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn concat<'a>(values: &Value<'a>, delimiter: &Value<'a>) -> Evaluated<'a> {
    let delimiter = text(delimiter)?;
    let values = values.elements().ok_or_else(|| unsuited("a list", values))?;
    let mut out = String::new();
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push_str(delimiter);
        }
        // The Collector writes a missing value in Go's form.
        out.push_str(&text_like(&value)?.unwrap_or(Cow::Borrowed("<nil>")));
    }
    Ok(Value::Str(Cow::Owned(out)))
}

fn int<'a>(value: &Value<'a>) -> Evaluated<'a> {
    Ok(match value {
        Value::Nil => Value::Nil,
        Value::Int(number) => Value::Int(*number),
        Value::Double(number) => Value::Int(truncated(*number)),
        Value::Bool(value) => Value::Int((*value).into()),
        Value::Str(text) => Value::Int(text.parse().map_err(|_| no_number())?),
        other => return Err(unsuited("a number", other)),
    })
}

/// The whole part; out of range the least number, as the machines of most Collectors (x86-64) compute it.
fn truncated(number: f64) -> i64 {
    let is_in_range = number >= i64::MIN as f64 && number < i64::MAX as f64;
    if is_in_range { number as i64 } else { i64::MIN }
}

/// A number that is too large is no number in Go.
fn parsed_double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    (number.is_finite() || !has_digit).then_some(number)
}

fn no_number() -> EvaluationError {
    EvaluationError::new("the text is no number")
}

fn double<'a>(value: &Value<'a>) -> Evaluated<'a> {
    Ok(match value {
        Value::Nil => Value::Nil,
        Value::Int(number) => Value::Double(*number as f64),
        Value::Double(number) => Value::Double(*number),
        Value::Bool(value) => Value::Double(u8::from(*value).into()),
        Value::Str(text) => Value::Double(parsed_double(text).ok_or_else(no_number)?),
        other => return Err(unsuited("a number", other)),
    })
}

fn boolean<'a>(value: &Value<'a>) -> Evaluated<'a> {
    Ok(match value {
        Value::Nil => Value::Nil,
        Value::Bool(value) => Value::Bool(*value),
        Value::Int(number) => Value::Bool(*number != 0),
        Value::Double(number) => Value::Bool(*number != 0.0),
        // The forms of Go's `strconv.ParseBool`.
        Value::Str(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Value::Bool(false),
            _ => return Err(EvaluationError::new("the text is no boolean")),
        },
        other => return Err(unsuited("a boolean", other)),
    })
}

fn substring<'a>(text: &str, start: &Value<'a>, length: &Value<'a>) -> Evaluated<'a> {
    let (Value::Int(start), Value::Int(length)) = (start, length) else {
        return Err(EvaluationError::new("`Substring` takes whole numbers"));
    };
    let part = usize::try_from(*start)
        .ok()
        .zip(usize::try_from(*length).ok().filter(|length| *length > 0))
        .and_then(|(start, length)| text.get(start..start.checked_add(length)?));
    match part {
        Some(part) => Ok(Value::Str(Cow::Owned(part.to_owned()))),
        None => Err(EvaluationError::new("`Substring` is out of range")),
    }
}

fn split<'a>(text: &str, delimiter: &str) -> Evaluated<'a> {
    let value = |part: &str| Value::Str(Cow::Owned(part.to_owned()));
    // Go splits at an empty delimiter into characters, without empty ends.
    Ok(Value::List(if delimiter.is_empty() {
        text.chars().map(|letter| value(letter.encode_utf8(&mut [0; 4]))).collect()
    } else {
        text.split(delimiter).map(value).collect()
    }))
}

fn id<'a>(value: &Value<'a>, len: usize) -> Evaluated<'a> {
    match value {
        Value::Bytes(bytes) if bytes.len() == len => Ok(Value::Id(bytes.clone())),
        other => Err(unsuited(if len == 16 { "16 bytes" } else { "8 bytes" }, other)),
    }
}
